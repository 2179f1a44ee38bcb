import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.models.published import (
    decoder_from_mindeye1,
    decoder_from_mindeye2,
    to_mindeye2,
)


def assert_same_decoder(ours: Decoder, original: Decoder) -> None:
    assert ours.config == original.config
    assert ours.state_dict().keys() == original.state_dict().keys()
    for name, value in original.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0)


def test_dimensions_of_mindeye1_are_read_off_the_shapes(mindeye1, blurry, small_decoder):
    assert_same_decoder(
        decoder_from_mindeye1(mindeye1, low_level=blurry), small_decoder("mindeye1")
    )


def test_dimensions_of_mindeye2_are_read_off_the_shapes(mindeye2, small_decoder):
    ours = decoder_from_mindeye2(mindeye2, subjects=(5, 2), keep_idle_mixer=True)
    assert_same_decoder(ours, small_decoder("mindeye2 with idle mixer"))
    assert ours.subjects == (5, 2)


def test_low_level_networks_without_map_head_are_read(mindeye1, blurry):
    fewer = {key: one for key, one in blurry.items() if not key.startswith("maps_projector")}
    output = decoder_from_mindeye1(mindeye1, low_level=fewer)(torch.randn(2, 11), subject=1)
    assert output.low_level_latents.shape == (2, 4, 4, 4)
    assert output.low_level_maps is None


def test_the_decoder_holds_copies_and_is_in_evaluation_mode(mindeye2):
    before = {key: value.clone() for key, value in mindeye2.items()}
    decoder = decoder_from_mindeye2(mindeye2, subjects=(5, 2))
    assert not any(module.training for module in decoder.modules())
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(1)
    for key, value in before.items():
        torch.testing.assert_close(mindeye2[key], value, rtol=0, atol=0)


def test_half_precision_becomes_float32(mindeye2):
    half = {key: value.half() for key, value in mindeye2.items()}
    decoder = decoder_from_mindeye2(half, subjects=(5, 2))
    assert {one.dtype for one in decoder.parameters()} == {torch.float32}
    key = "backbone.backbone_linear.weight"
    torch.testing.assert_close(to_mindeye2(decoder)[key], half[key].float(), rtol=0, atol=0)


def test_a_changed_copy_of_what_was_written_leaves_the_decoder(mindeye2):
    decoder = decoder_from_mindeye2(mindeye2, subjects=(5, 2))
    for value in to_mindeye2(decoder).values():
        value.zero_()
    assert decoder.token_head.linear.weight.any()


@pytest.mark.parametrize("keep", [False, True])
def test_the_idle_mixer_changes_no_output(mindeye2, keep, small_decoder):
    decoder = decoder_from_mindeye2(mindeye2, subjects=(5, 2), keep_idle_mixer=keep)
    betas = torch.randn(2, 13, generator=torch.Generator().manual_seed(0))
    expected = small_decoder("mindeye2 with idle mixer")(betas, 2)
    torch.testing.assert_close(decoder(betas, 2), expected, rtol=0, atol=0)
    assert any("idle" in name for name, _ in decoder.named_parameters()) == keep

"""Conversion of small made-up checkpoints, and what is said of wrong ones."""

import functools
import re

import pytest
import torch

from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published import (
    decoder_from_mindeye1,
    decoder_from_mindeye2,
    to_mindeye1,
    to_mindeye2,
)
from mindeye.models.published_prior import PublishedPriorConfig

Weights = dict[str, torch.Tensor]
LOW_LEVEL_MARKS = ("lin0.", "mlp.", "lin1.", "norm.", "upsampler.", "maps_projector.")


def small_mindeye1() -> Decoder:
    torch.manual_seed(0)
    path = LowLevelPathConfig(width=7, num_blocks=3)
    config = DecoderConfig(
        backbone=BackboneConfig(width=6, num_blocks=2),
        contrastive_width=5,
        prior=PublishedPriorConfig(
            depth=3, num_heads=3, head_width=4, mlp_ratio=2, coarse_epsilon=True
        ),
        low_level=PublishedLowLevelConfig(
            base_channels=8, base_side=2, block_channels=(32, 64), map_width=9, path=path
        ),
    )
    shapes = {"token_shape": (4, 10), "latent_shape": (4, 4, 4)}
    return Decoder(config, num_voxels_of={1: 11}, **shapes).eval()


def small_mindeye2() -> Decoder:
    torch.manual_seed(0)
    config = {
        "backbone": MixerBackboneConfig(width=6, num_blocks=2, keep_idle=True),
        "contrastive_width": 10,
        "prior": PublishedPriorConfig(
            depth=2, num_heads=2, head_width=6, scale=1.0, coarse_epsilon=True
        ),
        "low_level": PublishedLowLevelConfig(
            base_channels=8, base_side=1, dropout=0.3, block_channels=(32, 32), map_width=9
        ),
    }
    shapes = {"token_shape": (4, 10), "latent_shape": (4, 2, 2)}
    decoder = Decoder(DecoderConfig(**config), num_voxels_of={5: 11, 2: 13}, **shapes).eval()
    for scalar in decoder.backbone.scalars:
        torch.nn.init.normal_(scalar.bias)
    return decoder


@pytest.fixture
def mindeye1() -> Weights:
    state = to_mindeye1(small_mindeye1())
    return {key: value for key, value in state.items() if not key.startswith(LOW_LEVEL_MARKS)}


@pytest.fixture
def blurry() -> Weights:
    state = to_mindeye1(small_mindeye1())
    return {key: value for key, value in state.items() if key.startswith(LOW_LEVEL_MARKS)}


@pytest.fixture
def mindeye2() -> Weights:
    return to_mindeye2(small_mindeye2())


def assert_same_decoder(ours: Decoder, original: Decoder) -> None:
    assert ours.config == original.config
    assert ours.state_dict().keys() == original.state_dict().keys()
    for name, value in original.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0)


def test_dimensions_of_mindeye1_are_read_off_the_shapes(mindeye1, blurry):
    assert_same_decoder(decoder_from_mindeye1(mindeye1, low_level=blurry), small_mindeye1())


def test_dimensions_of_mindeye2_are_read_off_the_shapes(mindeye2):
    ours = decoder_from_mindeye2(mindeye2, subjects=(5, 2), keep_idle_mixer=True)
    assert_same_decoder(ours, small_mindeye2())
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
def test_the_idle_mixer_changes_no_output(mindeye2, keep):
    decoder = decoder_from_mindeye2(mindeye2, subjects=(5, 2), keep_idle_mixer=keep)
    betas = torch.randn(2, 13, generator=torch.Generator().manual_seed(0))
    expected = small_mindeye2()(betas, 2)
    torch.testing.assert_close(decoder(betas, 2), expected, rtol=0, atol=0)
    assert any("idle" in name for name, _ in decoder.named_parameters()) == keep


def test_a_missing_key_is_named_with_the_three_nearest(mindeye1):
    key = "net.causal_transformer.layers.1.0.to_kv.weight"
    del mindeye1[key]
    with pytest.raises(
        LookupError, match=rf"`{key}` is missing from this MindEye1 .*layers\.0"
    ) as caught:
        decoder_from_mindeye1(mindeye1)
    assert str(caught.value).count("`net.") == 4


def one_of_each_kind(state: Weights) -> list[str]:
    """Layers and blocks differ by number only: the last one stands for all."""
    return list({re.sub(r"\d+", "*", key): key for key in state}.values())


@pytest.fixture
def conversions(mindeye1, blurry, mindeye2):
    """(state, what converts it) of each kind of file."""
    return (
        (mindeye1, decoder_from_mindeye1),
        (blurry, lambda state: decoder_from_mindeye1(mindeye1, low_level=state)),
        (mindeye2, lambda state: decoder_from_mindeye2(state, subjects=(5, 2))),
    )


def test_whichever_key_is_missing_it_is_the_one_that_is_named(conversions):
    for state, convert in conversions:
        for key in one_of_each_kind(state):
            fewer = {name: value for name, value in state.items() if name != key}
            with pytest.raises(LookupError, match=rf"`{re.escape(key)}` is missing"):
                convert(fewer)


def test_whichever_weight_is_misshapen_it_is_the_one_that_is_named(conversions):
    for state, convert in conversions:
        for key in one_of_each_kind(state):
            value = state[key]
            for axis in range(value.dim()):
                # Nothing else tells the number of voxels.
                if axis == 1 and re.match(r"(voxel2clip\.)?lin0\.0|ridge", key):
                    continue
                wrong = torch.cat([value, value.narrow(axis, 0, 1)], dim=axis)
                named = f"`{key}` is {list(wrong.shape)} instead of {list(value.shape)}"
                with pytest.raises(ValueError, match=re.escape(named)):
                    convert({**state, key: wrong})


def test_an_unknown_key_is_named_with_the_three_nearest(mindeye2):
    mindeye2["backbone.clip_proj.9.weight"] = torch.ones(2)
    message = r"1 key is not part of a MindEye2.*nearest to `backbone\.clip_proj\.9\.weight` are `b"
    with pytest.raises(LookupError, match=message):
        decoder_from_mindeye2(mindeye2, subjects=(5, 2))


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        ("mindeye1", "mindeye2", r"are a MindEye1 checkpoint, not a MindEye2 one.*_mindeye1\("),
        ("mindeye2", "mindeye1", r"are a MindEye2 checkpoint, not a MindEye1 one.*_mindeye2\("),
        ("blurry", "mindeye1", r"are a MindEye1 low-level checkpoint, not a MindEye1.*low_level="),
        ("other", "mindeye2", r"no published MindEye checkpoint \(first key: conv1\.weight\)"),
        ("nothing", "mindeye1", r"These 0 tensors are no published MindEye .*first key: none"),
    ],
)
def test_the_checkpoint_of_another_family_is_refused(
    given, wanted, message, mindeye1, mindeye2, blurry
):
    state = {
        "mindeye1": mindeye1,
        "mindeye2": mindeye2,
        "blurry": blurry,
        "other": {"conv1.weight": torch.ones(2)},
        "nothing": {},
    }[given]
    convert = {
        "mindeye1": decoder_from_mindeye1,
        "mindeye2": functools.partial(decoder_from_mindeye2, subjects=(5, 2)),
    }[wanted]
    with pytest.raises(ValueError, match=message):
        convert(state)


def test_another_network_as_low_level_one_is_refused(mindeye1, mindeye2):
    with pytest.raises(ValueError, match="MindEye2 checkpoint, not a MindEye1 low-level one"):
        decoder_from_mindeye1(mindeye1, low_level=mindeye2)


@pytest.mark.parametrize("subjects", [(5,), (5, 2, 1), (5, 5)])
def test_subjects_that_are_not_those_of_the_ridge_layers_are_refused(mindeye2, subjects):
    with pytest.raises(ValueError, match=r"has 2 ridge layers, but the subjects are \[5"):
        decoder_from_mindeye2(mindeye2, subjects=subjects)


def test_another_noise_schedule_is_refused(mindeye1):
    mindeye1["noise_scheduler.betas"] = torch.linspace(1e-4, 2e-2, 100)
    with pytest.raises(ValueError, match=r"`noise_scheduler\.betas` holds .* cosine schedule"):
        decoder_from_mindeye1(mindeye1)


def test_buffers_may_be_left_out_together(mindeye1):
    fewer = {
        key: value
        for key, value in mindeye1.items()
        if "noise_scheduler" not in key and "rotary" not in key
    }
    assert decoder_from_mindeye1(fewer).config.prior.train_times == 100


def test_a_key_that_stands_there_with_and_without_prefix_is_refused(mindeye1):
    mindeye1["module.net.learned_query"] = mindeye1["net.learned_query"]
    with pytest.raises(ValueError, match=r"`net\.learned_query` stands there twice"):
        decoder_from_mindeye1(mindeye1)


def test_only_their_own_architecture_is_written(tiny_experiment):
    shapes = {"token_shape": (4, 16), "latent_shape": (4, 8, 8)}
    ours = Decoder(tiny_experiment.decoder, num_voxels_of={1: 7}, **shapes)
    for write, family in ((to_mindeye1, "MindEye1"), (to_mindeye2, "MindEye2")):
        with pytest.raises(ValueError, match=rf"BackboneConfig, PriorConfig.* none of {family}'s"):
            write(ours)
    with pytest.raises(ValueError, match="none of MindEye1's architecture"):
        to_mindeye1(small_mindeye2())
    with pytest.raises(ValueError, match="none of MindEye2's architecture"):
        to_mindeye2(small_mindeye1())

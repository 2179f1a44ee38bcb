import pytest
import torch

from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig


def make(low_level: LowLevelConfig | None = LowLevelConfig(base_channels=8)) -> Decoder:  # noqa: B008
    torch.manual_seed(0)
    config = DecoderConfig(
        backbone=BackboneConfig(width=12, num_blocks=1),
        contrastive_width=10,
        prior=PriorConfig(depth=1, head_width=8),
        low_level=low_level,
    )
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    return Decoder(config, num_voxels_of={1: 7, 5: 9}, **shapes).eval()


def test_outputs_have_the_shapes_of_the_targets():
    output = make()(torch.randn(3, 7), 1)
    assert output.brain_tokens.shape == (3, 5, 16)
    assert output.embeddings.shape == (3, 80)
    assert output.latents.shape == (3, 4, 8, 8)
    torch.testing.assert_close(output.embeddings.norm(dim=1), torch.ones(3))


def test_a_decoder_without_low_level_head_gives_no_latents():
    assert make(low_level=None)(torch.randn(3, 7), 1).latents is None


def test_subjects_share_everything_behind_the_ridge():
    decoder = make()
    first, second = decoder.ridge.layers["1"], decoder.ridge.layers["5"]
    with torch.no_grad():
        second.weight[:, :7], second.weight[:, 7:] = first.weight, 0
        second.bias.copy_(first.bias)
    betas = torch.randn(3, 9)
    ours, theirs = decoder(betas[:, :7], 1), decoder(betas, 5)
    torch.testing.assert_close(ours.brain_tokens, theirs.brain_tokens)
    torch.testing.assert_close(ours.latents, theirs.latents)


def test_an_unknown_subject_is_refused_with_those_that_are_known():
    with pytest.raises(LookupError, match=r"no ridge layer for subject 2; it knows 1, 5"):
        make()(torch.randn(3, 7), 2)


def test_another_voxel_count_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"has 7 voxels in this model but 9 in this scan"):
        make()(torch.randn(3, 9), 1)

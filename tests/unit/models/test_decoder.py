import hashlib

import pytest
import torch

from mindeye.config import to_mapping
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
    assert output.retrieval_tokens.shape == (3, 5, 16)
    assert output.embeddings.shape == (3, 80)
    assert output.low_level_maps is None
    assert output.low_level_latents.shape == (3, 4, 8, 8)
    torch.testing.assert_close(output.embeddings.norm(dim=1), torch.ones(3))


def test_the_default_decoder_starts_and_answers_as_it_always_did():
    """Published networks live beside it; what was trained before must load and resume."""
    decoder = make()
    names = "\n".join(decoder.state_dict())
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == "3e6999db5849bf39"
    sizes = {name: part.double().abs().sum().item() for name, part in decoder.state_dict().items()}
    assert sum(sizes.values()) == pytest.approx(1390.020772, rel=1e-6)
    # The last to be drawn depends on all before.
    assert sizes["low_level.upsampler.1.weight"] == pytest.approx(17.1159225, rel=1e-6)
    output = decoder(torch.linspace(-1, 1, 21).view(3, 7), 1)
    assert output.embeddings[0].abs().sum().item() == pytest.approx(7.0248480, rel=1e-4)
    assert output.low_level_latents.square().mean().item() == pytest.approx(0.0742217, rel=1e-4)


def test_the_default_configuration_is_written_as_it_always_was():
    """A run resumes only if the configuration that it was begun with is the same.

    A key that is null by default is no difference from a run that does not know it.
    """
    assert to_mapping(DecoderConfig()) == {
        "backbone": {
            "width": 4096,
            "num_blocks": 4,
            "input_dropout": 0.5,
            "block_dropout": 0.15,
        },
        "token_head": None,
        "contrastive_width": 2048,
        "prior": {"depth": 6, "head_width": 64, "train_times": 100, "drop_condition": 0.2},
        "low_level": {"base_channels": 64, "base_side": 4, "dropout": 0.3},
    }


def test_a_decoder_without_low_level_head_gives_no_latents():
    assert make(low_level=None)(torch.randn(3, 7), 1).low_level_latents is None


def test_subjects_share_everything_behind_the_ridge():
    decoder = make()
    first, second = decoder.ridge.layers["1"], decoder.ridge.layers["5"]
    with torch.no_grad():
        second.weight[:, :7], second.weight[:, 7:] = first.weight, 0
        second.bias.copy_(first.bias)
    betas = torch.randn(3, 9)
    ours, theirs = decoder(betas[:, :7], 1), decoder(betas, 5)
    torch.testing.assert_close(ours.brain_tokens, theirs.brain_tokens)
    torch.testing.assert_close(ours.low_level_latents, theirs.low_level_latents)


def test_an_unknown_subject_is_refused_with_those_that_are_known():
    with pytest.raises(LookupError, match=r"no ridge layer for subject 2; it knows 1, 5"):
        make()(torch.randn(3, 7), 2)


def test_another_voxel_count_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"has 7 voxels in this model but 9 in this scan"):
        make()(torch.randn(3, 9), 1)

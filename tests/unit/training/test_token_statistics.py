"""The prior's mean and spread of tokens, a few places at a time."""

from types import SimpleNamespace

import pytest
import torch

from mindeye.models.prior import DiffusionPrior, PriorConfig
from mindeye.targets.cache import TargetTable
from mindeye.training import token_statistics
from mindeye.training.token_statistics import fit_prior


def subject_with(tokens, image_ids):
    """A stand-in: what a subject's training images are, and their tokens."""
    targets = TargetTable(
        image_ids=image_ids.numpy(),
        tokens_array=tokens.numpy(),
        latents_array=tokens.numpy()[..., None],
    )
    return SimpleNamespace(train=SimpleNamespace(image_ids=image_ids[:-2]), targets=targets)


@pytest.mark.parametrize("values", [1 << 27, 36 * 16 * 2, 1])
def test_the_statistics_are_those_of_all_training_images_however_few_places_fit(
    monkeypatch, values
):
    monkeypatch.setattr(token_statistics, "VALUES", values)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(40, 5, 16, generator=generator).half() * 3 + 7
    subjects = [
        subject_with(tokens[:20], torch.arange(20)),
        subject_with(tokens[20:], torch.arange(20)),
    ]
    prior = DiffusionPrior(PriorConfig(depth=1, head_width=8), 5, 16)
    fit_prior.__wrapped__(prior, subjects)
    seen = torch.cat([tokens[:18], tokens[20:38]]).double()
    torch.testing.assert_close(prior.token_mean.double(), seen.mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(prior.token_std.double(), seen.std(0), rtol=1e-5, atol=1e-5)

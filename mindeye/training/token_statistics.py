"""Mean and spread of the tokens that a prior learns, of all training images."""

from collections.abc import Collection

import torch

from mindeye.models.prior import DiffusionPrior
from mindeye.training.subjects import Subject

# Values in memory at once (512 MB in float32): all tokens of one NSD subject would take 7 GB.
VALUES = 1 << 27


def fit_prior(prior: DiffusionPrior, subjects: Collection[Subject]) -> None:
    """Fits a few places of the tokens at a time; each place is a statistic of its own."""
    num_images = sum(len(one.train.image_ids) for one in subjects)
    num_tokens, width = prior.token_mean.shape
    size = max(1, VALUES // (num_images * width))
    for start in range(0, num_tokens, size):
        places = slice(start, start + size)
        tokens = [one.targets.stored_tokens(one.train.image_ids, places) for one in subjects]
        prior.fit(torch.cat(tokens).float(), places)

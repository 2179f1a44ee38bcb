"""Accuracy within pools of test images: exact over all pools, or in drawn ones as published."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

PUBLISHED_POOLS = 30
Rivals = Callable[[Tensor, Tensor], np.ndarray]
"""`image_retrieval_rivals` or `brain_retrieval_rivals`."""


class Tally(NamedTuple):
    """Hits of each image, and in how many pools it stood; expected hits of one pool count 1."""

    hits: Float[np.ndarray, "images"]
    pools: Float[np.ndarray, "images"]

    @property
    def per_image(self) -> Float[np.ndarray, "images"]:
        """The mean over the pools in which an image stands; NaN where it stands in none."""
        with np.errstate(invalid="ignore"):
            return self.hits / self.pools

    @property
    def contributions(self) -> Float[np.ndarray, "judged"]:
        """Of each image that stands in a pool, values whose mean is the mean over pools.

        Images stand in unequally many pools, so the mean over pools is a ratio, hits over places;
        these are its linearised values, and an interval over them is one over images.
        """
        judged = self.pools > 0
        hits, pools = self.hits[judged], self.pools[judged]
        if (pools == pools[0]).all():
            return hits / pools
        value = hits.sum() / pools.sum()
        return value + (hits - value * pools) / pools.mean()


@dataclass(frozen=True, kw_only=True)
class DrawnPools:
    """Pools as MindEye1 and MindEye2 draw them for retrieval, in the place of all pools.

    MindEye2 draws images at random. MindEye1's pools are `contiguous`: each is what a reader of
    the test shards gives next. Here they begin at a random image and go on by image id, from the
    last to the first; approximated in that MindEye1's begin where the pool before has ended, and
    that it draws shards with replacement, so that a pool over the end of one may hold an image
    twice.

    Source: retrieval scripts of MindEye1 (arXiv:2305.18274) and MindEye2 (arXiv:2403.11207).
    """

    seed: int
    contiguous: bool = False
    count: int = PUBLISHED_POOLS

    def of_size(self, pool_size: int, num_images: int) -> Int[np.ndarray, "pools members"]:
        """Rows of the images in each pool; the same for every system and direction.

        Raises:
            ValueError: a pool larger than the test set, or smaller than two.
        """
        require_pool(pool_size, num_images)
        rng = np.random.default_rng([self.seed, pool_size])
        if self.contiguous:
            starts = rng.integers(num_images, size=(self.count, 1))
            return (starts + np.arange(pool_size)) % num_images
        return np.stack([rng.permutation(num_images)[:pool_size] for _ in range(self.count)])


def drawn_tally(
    similarity: Float[Tensor, "images images"],
    rivals_of: Rivals,
    pools: Int[np.ndarray, "pools members"],
    top: int = 1,
) -> Tally:
    """How often each item is among the `top` of its own pools, none of which holds one twice.

    All pools are counted with one product: who is a rival of whom is the same in every pool.
    """
    members = torch.zeros(len(similarity), len(pools))
    members.scatter_(0, torch.from_numpy(pools).T, 1)
    stands = members.numpy() > 0
    hits = (rivals_of(similarity, members) < top) & stands
    return Tally(hits.sum(1, dtype=np.float64), stands.sum(1, dtype=np.float64))


def require_pool(pool_size: int, num_images: int) -> None:
    """Refuses a pool that cannot be drawn.

    Raises:
        ValueError: a pool larger than the test set, or smaller than two.
    """
    if not 2 <= pool_size <= num_images:
        raise ValueError(
            f"A pool of {pool_size} cannot be drawn from {num_images} test images. "
            f"Choose pool sizes from 2 to {num_images}."
        )


def pool_accuracy(
    rivals: Int[np.ndarray, "images"], pool_size: int, top: int = 1
) -> Float[np.ndarray, "images"]:
    """Probability that each item is among the `top` of a random pool, exact over all pools.

    A pool holds the right item and `pool_size - 1` of the wrong ones, drawn without replacement;
    the number of rivals among them is hypergeometric. The published 30 draws estimate its mean.

    Raises:
        ValueError: a pool larger than the test set, or smaller than two.
    """
    require_pool(pool_size, len(rivals))
    others, drawn = len(rivals) - 1, pool_size - 1
    if drawn == others:
        return (rivals < top).astype(np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, others + 1)))])

    def log_choose(total: np.ndarray | int, part: int) -> np.ndarray:
        total = np.asarray(total)
        rest = np.clip(total - part, 0, None)
        value = log_factorial[total] - log_factorial[part] - log_factorial[rest]
        return np.where(part <= total, value, -np.inf)

    probability = np.zeros(len(rivals))
    for beaten_by in range(min(top, drawn + 1)):
        ways = log_choose(rivals, beaten_by) + log_choose(others - rivals, drawn - beaten_by)
        probability += np.exp(ways - log_choose(others, drawn))
    return np.clip(probability, 0.0, 1.0)

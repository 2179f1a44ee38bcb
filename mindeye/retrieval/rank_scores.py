"""All scores of retrieval from one number an item: how many rivals it has.

Accuracy in pools of any size, reciprocal rank and rank depend on that number alone, so that a null
of exchanged labels needs one table of rivals and a histogram for each permutation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.similarity import TIE

IMAGE_RETRIEVAL, BRAIN_RETRIEVAL = "image retrieval", "brain retrieval"
DIRECTIONS = (IMAGE_RETRIEVAL, BRAIN_RETRIEVAL)
TOPS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class RankScore:
    """A score of an item that follows from its number of rivals."""

    name: str
    """`top-1 of 300`, `mean reciprocal rank of 982`, `median rank of 982`."""
    of_rivals: Float[np.ndarray, "rivals"]
    """Of an item with 0, 1, 2 ... rivals."""
    better: str = "higher"
    median: bool = False
    """Whether items are summed up by their median, else by their mean."""

    @property
    def chance(self) -> float:
        """When every number of rivals is as likely."""
        return float(self.summed(self.of_rivals))

    def summed(self, values: Float[np.ndarray, "items"]) -> float:
        """Per-item scores -> the score of all."""
        return float(np.median(values) if self.median else values.mean())


def rank_scores(
    num_images: int, pool_sizes: Sequence[int], tops: Sequence[int] = TOPS
) -> list[RankScore]:
    """Accuracies by pool and top, exact over all pools; then mean reciprocal and median rank.

    Top-1 of 2 is the two-alternative forced choice (2-AFC).

    Raises:
        ValueError: a pool that cannot be drawn from so many images.
    """
    rivals = np.arange(num_images)
    scores = [
        RankScore(name=f"top-{top} of {pool_size}", of_rivals=pool_accuracy(rivals, pool_size, top))
        for pool_size in pool_sizes
        for top in tops
        if top < pool_size
    ]
    name = f"mean reciprocal rank of {num_images}"
    scores.append(RankScore(name=name, of_rivals=1 / (rivals + 1.0)))
    name = f"median rank of {num_images}"
    scores.append(RankScore(name=name, of_rivals=rivals + 1.0, better="lower", median=True))
    return scores


def rival_table(similarity: Float[Tensor, "queries items"]) -> Int[np.ndarray, "queries items"]:
    """How many rivals each query would have if each of the items were its own; ties are rivals."""
    similarity = similarity.contiguous()
    ordered = similarity.sort(dim=1).values.contiguous()
    weaker = torch.searchsorted(ordered, similarity - TIE)
    return (similarity.shape[1] - 1 - weaker).int().cpu().numpy()


def label_nulls(
    similarity: Float[Tensor, "images images"],
    scores: Sequence[RankScore],
    rng: np.random.Generator,
    permutations: int = 10_000,
    partners: Callable[[np.random.Generator], Int[np.ndarray, "images"]] | None = None,
) -> dict[str, Float[np.ndarray, "permutations scores"]]:
    """Scores of both directions when the images of the scans are exchanged.

    Args:
        partners: whose image each scan is given in one permutation; None exchanges all at random.
    """
    count = len(similarity)
    tables = dict(
        zip(DIRECTIONS, (rival_table(similarity), rival_table(similarity.T)), strict=True)
    )
    histograms = {name: np.empty((permutations, count), np.int32) for name in DIRECTIONS}
    scans = np.arange(count)
    for index in range(permutations):
        partner = rng.permutation(count) if partners is None else partners(rng)
        for name, pair in (
            (IMAGE_RETRIEVAL, (scans, partner)),
            (BRAIN_RETRIEVAL, (partner, scans)),
        ):
            found = tables[name][pair]
            histograms[name][index] = np.bincount(found, minlength=count)
    return {name: _scores_of(one, scores) for name, one in histograms.items()}


def _scores_of(
    histograms: Int[np.ndarray, "permutations rivals"], scores: Sequence[RankScore]
) -> Float[np.ndarray, "permutations scores"]:
    """Scores of as many items as a histogram counts."""
    count = histograms.shape[1]
    found = np.empty((len(histograms), len(scores)))
    means = [at for at, score in enumerate(scores) if not score.median]
    if means:
        table = np.stack([scores[at].of_rivals for at in means], axis=1)
        found[:, means] = histograms @ table / count
    for at in set(range(len(scores))) - set(means):
        reached = histograms.cumsum(1)
        middle = [(reached <= place).sum(1) for place in ((count - 1) // 2, count // 2)]
        found[:, at] = scores[at].of_rivals[middle].mean(0)
    return found

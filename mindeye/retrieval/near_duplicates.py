"""How alike test images are to training images and to each other: what a score may rest on.

Likeness is the cosine of embeddings from which the mean of the test images is taken away: the plain
cosine of any two images is nearly 1 in the embeddings that retrieval works with.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.retrieval.similarity import similarity_matrix, unit_rows


class Nearest(NamedTuple):
    """For each row, how alike the most similar other one is, and where that stands."""

    similarity: Float[np.ndarray, "images"]
    row: Int[np.ndarray, "images"]


class Centre(NamedTuple):
    """The mean of unit embeddings."""

    mean: Float[Tensor, "features"]

    @classmethod
    def of(cls, images: Float[Tensor, "images *features"]) -> "Centre":
        return cls(unit_rows("test", images.flatten(1)).mean(0))

    def removed(self, images: Float[Tensor, "images *features"]) -> Float[Tensor, "images _all"]:
        """What tells the images from it."""
        return unit_rows("image", images.flatten(1)).sub_(self.mean)


def nearest_in_pool(images: Float[Tensor, "images *features"]) -> Nearest:
    """The most similar other image of the same pool.

    Raises:
        ValueError: an image that does not differ from the mean of all.
    """
    apart = Centre.of(images).removed(images)
    similarity = similarity_matrix(apart, apart).fill_diagonal_(-torch.inf)
    return _nearest(*similarity.max(1))


def nearest_training(
    images: Float[Tensor, "images *features"],
    blocks: Iterable[Float[Tensor, "_candidates *_features"]],
) -> Nearest:
    """The most similar training image of each test image; rows are counted over all blocks.

    Raises:
        ValueError: no block, or an image that does not differ from the mean of all.
    """
    centre = Centre.of(images)
    apart = (centre.removed(block) for block in blocks)
    return nearest_in_blocks(centre.removed(images), apart)


def nearest_in_blocks(
    queries: Float[Tensor, "images *features"],
    blocks: Iterable[Float[Tensor, "_candidates *_features"]],
) -> Nearest:
    """The candidate of the highest plain cosine, from blocks; rows are counted over all of them.

    Raises:
        ValueError: no block.
    """
    best, row, start = None, None, 0
    unit = unit_rows("test", queries.flatten(1))
    for block in blocks:
        value, place = (unit @ unit_rows("training", block.flatten(1)).T).max(1)
        if best is None:
            best, row = value, place
        else:
            row = torch.where(value > best, place + start, row)
            best = torch.maximum(value, best)
        start += len(block)
    if best is None:
        raise ValueError("There is no training image to compare with. Leave the audit out.")
    return _nearest(best, row)


def closest_pairs(nearest: Nearest, num_pairs: int) -> list[tuple[int, int]]:
    """Rows of the most similar pairs within a pool, most similar first, each pair once."""
    pairs = {}
    for row in np.argsort(-nearest.similarity, kind="stable").tolist():
        pair = tuple(sorted((row, int(nearest.row[row]))))
        pairs.setdefault(pair)
    return list(pairs)[:num_pairs]


def tenths(closeness: Float[np.ndarray, "images"]) -> list[Int[np.ndarray, "_members"]]:
    """Rows of each tenth of the images, the least close first; fewer parts of fewer than 20."""
    order = np.argsort(closeness, kind="stable")
    return np.array_split(order, max(1, min(10, len(order) // 2)))


def _nearest(similarity: Float[Tensor, "images"], row: Int[Tensor, "images"]) -> Nearest:
    return Nearest(similarity.double().cpu().numpy(), row.cpu().numpy())

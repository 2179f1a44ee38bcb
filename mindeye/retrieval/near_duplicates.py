"""How alike test images are to training images and to each other: what a score may rest on."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.retrieval.similarity import similarity_matrix


class Nearest(NamedTuple):
    """For each row, how alike the most similar other one is, and where that stands."""

    similarity: Float[np.ndarray, "images"]
    row: Int[np.ndarray, "images"]


def nearest_in_pool(images: Float[Tensor, "images *features"]) -> Nearest:
    """The most similar other image of the same pool."""
    similarity = similarity_matrix(images, images).fill_diagonal_(-torch.inf)
    return _nearest(*similarity.max(1))


def nearest_in_blocks(
    queries: Float[Tensor, "images *features"],
    blocks: Iterable[Float[Tensor, "_candidates *_features"]],
) -> Nearest:
    """The most similar of candidates that come block by block; rows are counted over all blocks.

    Raises:
        ValueError: no block.
    """
    best, row, start = None, None, 0
    for block in blocks:
        value, place = similarity_matrix(queries, block).max(1)
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

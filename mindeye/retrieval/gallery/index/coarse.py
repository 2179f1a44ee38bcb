"""The cells of an inverted file: k-means on the sphere, and to which cell a vector belongs.

Nearly all time of a build is the product of all vectors with all centroids. Processors that
multiply bfloat16 do it four times faster than faiss's float32, and which of two cells that are
equally near a vector goes to hardly matters: of clustered vectors 98% go to the same, the rest to
one that is 0.001 less alike. The vectors themselves are never rounded so.
"""

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

Precision = Literal["float32", "bfloat16"]
# Vectors whose products with all centroids are held at once; fixed, because sums of products
# depend on it in their last bits.
BLOCK = 4096


def nearest_cells(
    vectors: Float32[Tensor, "vectors width"],
    centroids: Float32[Tensor, "cells width"],
    precision: Precision,
) -> Int64[np.ndarray, "vectors"]:
    """Number of the centroid with the highest product, to the precision's last digit."""
    # The mean of all centroids adds the same to each product: without it, digits are left for
    # what tells them apart.
    centred = (centroids - centroids.mean(0)).to(getattr(torch, precision)).T.contiguous()
    return np.concatenate(
        [
            _highest(vectors[start : start + BLOCK].to(centred.dtype) @ centred)
            for start in range(0, max(1, len(vectors)), BLOCK)
        ]
    )


def _highest(products: Float[Tensor, "vectors cells"]) -> Int64[np.ndarray, "vectors"]:
    if products.dtype == torch.float32:
        return products.argmax(1).numpy()
    # As whole numbers, bfloat16 above zero keep their order, and NumPy finds the highest of these
    # 20 times faster. Of centroids with mean zero the highest product is never below zero.
    return products.view(torch.int16).numpy().argmax(1).astype(np.int64)


def spherical_kmeans(
    sample: Float32[Tensor, "vectors width"],
    num_cells: int,
    *,
    seed: int,
    iterations: int,
    precision: Precision,
    progress: Callable[[int, int], None] | None = None,
) -> Float32[Tensor, "cells width"]:
    """Unit centroids; those that lose all their vectors begin anew at a drawn one."""
    draw = np.random.default_rng(seed)
    centroids = sample[torch.from_numpy(np.sort(draw.permutation(len(sample))[:num_cells]))]
    for done in range(iterations):
        cells = torch.from_numpy(nearest_cells(sample, centroids, precision))
        centroids = torch.zeros_like(centroids).index_add_(0, cells, sample)
        empty = torch.nonzero(torch.bincount(cells, minlength=num_cells) == 0)[:, 0]
        centroids[empty] = sample[torch.from_numpy(draw.integers(len(sample), size=len(empty)))]
        centroids /= centroids.norm(dim=1, keepdim=True).clamp_min(1e-12)
        if progress is not None:
            progress(done + 1, iterations)
    return centroids


def faster_precision(width: int) -> Precision:
    """Which of both this processor multiplies faster; measured, because no flag tells it.

    Ask once for a build: the cells of some vectors depend on it.
    """
    ones = torch.ones(1024, width)
    seconds: dict[Precision, float] = {}
    for name in ("float32", "bfloat16"):
        block = ones.to(getattr(torch, name))
        seconds[name] = min(_seconds(lambda b=block: b @ b.T) for _ in range(5))
    return "bfloat16" if seconds["bfloat16"] < 0.7 * seconds["float32"] else "float32"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

"""How retrieval grows with repeats, and whether a first showing decodes better than a later one."""

from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.reconstruction.decode import decode
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.similarity import image_retrieval_rivals, similarity_matrix
from mindeye.types import RepeatBatch

PerImage = Float[np.ndarray, "images"]


class RepeatCurves(NamedTuple):
    """Image retrieval top-1 in pools of `pool_size`, an image each."""

    num_images: int
    """Those that have all repeats; the others are left out, and stand in no pool."""
    pool_size: int
    by_count: dict[int, PerImage]
    """Repeats averaged -> the mean over all ways of choosing them."""
    by_showing: dict[int, PerImage]
    """First, second ... showing alone, from 1."""


def repeat_curves(
    decoder: Decoder,
    scans: RepeatBatch,
    images: Float[Tensor, "images features"],
    pool_size: int,
) -> RepeatCurves:
    """Decodes every choice of repeats of the images that have all of them.

    Raises:
        ValueError: fewer than two images have all repeats.
    """
    complete = scans.present.all(1)
    if complete.sum() < 2:
        raise ValueError(
            f"{int(complete.sum())} of {len(complete)} test images have all "
            f"{scans.present.shape[1]} repeats; a curve over repeats needs two. "
            "Prepare more sessions."
        )
    whole = replace(
        scans,
        betas=scans.betas[complete],
        present=scans.present[complete],
        image_ids=scans.image_ids[complete],
    )
    images, num_repeats = images[complete], scans.present.shape[1]
    pool_size = min(pool_size, len(images))

    def accuracy(chosen: tuple[int, ...]) -> PerImage:
        embeddings = decode(decoder, _only(whole, chosen)).embeddings.cpu()
        return pool_accuracy(
            image_retrieval_rivals(similarity_matrix(embeddings, images)), pool_size
        )

    showings = [accuracy((showing,)) for showing in range(num_repeats)]
    by_count = {1: np.mean(showings, axis=0)}
    for count in range(2, num_repeats + 1):
        ways = combinations(range(num_repeats), count)
        by_count[count] = np.mean([accuracy(way) for way in ways], axis=0)
    return RepeatCurves(
        num_images=len(images),
        pool_size=pool_size,
        by_count=by_count,
        by_showing=dict(enumerate(showings, start=1)),
    )


def _only(scans: RepeatBatch, chosen: tuple[int, ...]) -> RepeatBatch:
    present: Bool[Tensor, images, repeats] = torch.zeros_like(scans.present)
    present[:, list(chosen)] = True
    return replace(scans, present=present)

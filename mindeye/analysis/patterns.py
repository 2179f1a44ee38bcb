"""Activation patterns: where in the scan a decoded quantity shows, unlike a decoder's weights."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Pattern(NamedTuple):
    """One map for each axis, and how far its two halves of trials agree."""

    maps: Float[np.ndarray, "axes voxels"]
    reliability: Float[np.ndarray, "axes"]
    """Pearson r over voxels between the maps of even and of odd trials."""


def activation_patterns(
    betas: Float[np.ndarray, "trials voxels"], decoded: Float[np.ndarray, "trials axes"]
) -> Pattern:
    """How much a voxel's response changes with what is decoded: cov(betas, decoded) / var(decoded).

    A decoder's weight can be large at a voxel that carries no signal, because it serves to
    subtract noise; this does not (Haufe et al. 2014, NeuroImage 87: A = cov(x) W / cov(s), here one
    axis at a time). It tells where what is decoded shows, not where it arises. Trials should be
    those that the decoder was not trained on.
    """
    halves = [_pattern(betas[half::2], decoded[half::2]) for half in (0, 1)]
    reliability = [np.corrcoef(*pair)[0, 1] for pair in zip(*halves, strict=True)]
    return Pattern(_pattern(betas, decoded), np.array(reliability))


def principal_axes(
    embeddings: Float[np.ndarray, "images features"], num_axes: int
) -> Float[np.ndarray, "axes features"]:
    """Unit directions of most variance, the largest entry of each positive."""
    centred = embeddings.astype(np.float64) - embeddings.mean(0, dtype=np.float64)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:num_axes]
    largest = np.abs(axes).argmax(1)
    return axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]


def _pattern(
    betas: Float[np.ndarray, "trials voxels"], decoded: Float[np.ndarray, "trials axes"]
) -> Float[np.ndarray, "axes voxels"]:
    centred = decoded.astype(np.float64) - decoded.mean(0, dtype=np.float64)
    return centred.T @ betas.astype(np.float64) / (centred**2).sum(0)[:, None]

"""What trial noise allows, voxel by voxel, and what is reached of it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from mindeye.analysis.voxel_shares import Material
from mindeye.metrics.identification import two_way_wins
from mindeye.training.ridge_baseline import fitted_ridge

NUM_GROUPS = 4
LEAST_CEILING = 0.1
"""Of a voxel whose explained variance is divided by its ceiling: below it the ratio is noise."""

PerVoxel = Float[np.ndarray, "voxels"]


class CeilingGroup(NamedTuple):
    """Equally many voxels of neighbouring noise ceilings, and what they tell alone."""

    median: float
    """Noise ceiling of the group's median voxel."""
    num_voxels: int
    wins: Float[np.ndarray, "images"]
    """Two-way identification by the CLIP image embedding, from these voxels by ridge."""


def noise_ceiling(ncsnr: PerVoxel, repeats: Int[np.ndarray, "images"] | int) -> PerVoxel:
    """Share of the variance of means over repeats that is signal, from 0 to 1.

    Args:
        repeats: how many trials are averaged, image by image where they differ.

    Source: NSD's data manual, noise ceiling for mixed numbers of trials.
    """
    noise = np.mean(1 / np.asarray(repeats, dtype=np.float64))
    signal = ncsnr.astype(np.float64) ** 2
    return signal / (signal + noise)


def ceiling_groups(
    material: Material,
    ceiling: PerVoxel,
    num_groups: int = NUM_GROUPS,
    progress: Callable[[], None] = lambda: None,
) -> list[CeilingGroup]:
    """Ridge from each group of voxels, from the lowest ceilings to the highest.

    Voxels without a known ceiling, and up to `num_groups` - 1 of the lowest, are left out, so
    that groups are equally large.
    """
    order = np.argsort(ceiling, kind="stable")
    order = order[: np.isfinite(ceiling).sum()]
    order = order[len(order) % num_groups :]
    truth = torch.from_numpy(material.truth)
    groups = []
    for chosen in np.split(order, num_groups):
        columns = np.sort(chosen)
        ridge = fitted_ridge(material.scan[:, columns], material.wanted)
        predicted = ridge.predict(material.unseen[:, columns])
        wins = np.asarray(two_way_wins(truth.new_tensor(predicted), truth))
        groups.append(CeilingGroup(float(np.median(ceiling[columns])), len(columns), wins))
        progress()
    return groups


def encoding_correlation(material: Material) -> PerVoxel:
    """How well each voxel of unseen scans is predicted from the image: Pearson r over images.

    One ridge regression from the material's targets to all voxels, fitted on training images.
    NaN where a voxel does not vary.
    """
    ridge = fitted_ridge(material.wanted, material.scan)
    return _correlations(ridge.predict(material.truth), material.unseen)


def reached(correlation: PerVoxel, ceiling: PerVoxel) -> PerVoxel:
    """Explained variance over its ceiling, unclipped; NaN where the ceiling is below 0.1.

    The sign of the correlation is kept, so that chance lies around 0, not above it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sign(correlation) * correlation**2 / ceiling
    return np.where(ceiling > LEAST_CEILING, ratio, np.nan)


def median_in(values: PerVoxel, mask: Bool[np.ndarray, "voxels"]) -> tuple[float, int]:
    """Median of the known values in a region, and how many they are; NaN of none."""
    known = values[mask & np.isfinite(values)]
    return (float(np.median(known)) if len(known) else float("nan")), len(known)


def _correlations(
    first: Float[np.ndarray, "images voxels"], second: Float[np.ndarray, "images voxels"]
) -> PerVoxel:
    first = first - first.mean(0, dtype=np.float64)
    second = second - second.mean(0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (first * second).sum(0) / np.sqrt((first**2).sum(0) * (second**2).sum(0))

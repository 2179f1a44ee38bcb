"""Z-scores per voxel and session, with the statistics kept."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

ZSCORE_SCOPES = ("session-train", "session-all", "train-global", "none")
"""Which trials give a session's mean and standard deviation."""
MAX_INVALID_SHARE = 0.01


class Statistics(NamedTuple):
    """Per voxel, over the trials of one session; std has ddof 1 and is 0 in unusable voxels."""

    mean: Float32[np.ndarray, "voxels"]
    std: Float32[np.ndarray, "voxels"]

    @property
    def usable(self) -> Bool[np.ndarray, "voxels"]:
        return self.std > 0


def statistics_of(
    betas: Float[np.ndarray, "trials voxels"], chosen: Bool[np.ndarray, "trials"]
) -> Statistics:
    """Mean and standard deviation (ddof 1) over the chosen trials.

    Raises:
        ValueError: fewer than two of them.
    """
    if chosen.sum() < 2:
        raise ValueError(
            f"{int(chosen.sum())} training trials give no standard deviation. "
            "Take a session with more of them, or z-score nothing."
        )
    trials = betas[chosen]
    mean = trials.mean(0, dtype=np.float64)
    # Constant voxels get a tiny standard deviation from rounding: ask for a range instead.
    with np.errstate(invalid="ignore"):
        constant = ~(np.ptp(trials, axis=0) > 0)
        std = trials.std(0, ddof=1, dtype=np.float64)
    unusable = constant | ~np.isfinite(std)
    return Statistics(
        np.where(np.isfinite(mean), mean, 0).astype(np.float32),
        np.where(unusable, 0, std).astype(np.float32),
    )


def pooled(parts: Sequence[Statistics], counts: Sequence[int]) -> Statistics:
    """Mean and standard deviation over the trials of several sessions, from those of each.

    A voxel's sessions in which it was unusable are left out. Source: Chan, Golub and LeVeque
    (1979), updating formulae for the pairwise merging of variances.

    Args:
        counts: trials of each session; two or more.
    """
    mean, std = (np.stack([getattr(one, name) for one in parts]) for name in ("mean", "std"))
    mean, std = mean.astype(np.float64), std.astype(np.float64)
    weight = np.where(std > 0, np.asarray(counts, dtype=np.float64)[:, None], 0)
    total = np.maximum(weight.sum(0), 1)
    centre = (weight * mean).sum(0) / total
    inside, between = (weight - 1).clip(0) * std**2, weight * (mean - centre) ** 2
    variance = (inside + between).sum(0) / np.maximum(total - 1, 1)
    return Statistics(centre.astype(np.float32), np.sqrt(variance).astype(np.float32))


def in_session(everything: Statistics, betas: Float[np.ndarray, "trials voxels"]) -> Statistics:
    """Statistics of all sessions, for the voxels that one session has.

    Where a voxel left the slab in it there is no beta, whatever there was elsewhere.
    """
    present = statistics_of(betas, np.ones(len(betas), dtype=bool)).usable
    return everything._replace(std=np.where(present, everything.std, 0))


def zscored(
    betas: Float[np.ndarray, "trials voxels"], statistics: Statistics
) -> Float32[np.ndarray, "trials voxels"]:
    """Betas in units of the statistics; unusable voxels are 0, which is their mean."""
    safe = np.where(statistics.usable, statistics.std, 1)
    z = (betas - statistics.mean) / safe.astype(np.float32)
    return np.where(statistics.usable, z, 0).astype(np.float32, copy=False)


def require_usable(statistics: Statistics, where: str) -> int:
    """The number of unusable voxels (constant or not finite), if there are few.

    Raises:
        ValueError: more than 1 % of them; the first are named.
    """
    bad = np.flatnonzero(~statistics.usable)
    if len(bad) > MAX_INVALID_SHARE * len(statistics.std):
        raise ValueError(
            f"{where}: {len(bad)} of {len(statistics.std)} voxels are constant or not finite, "
            f"first {bad[:5].tolist()}. Did they leave the scanned slab? Choose another ROI or "
            "leave this session out."
        )
    return len(bad)

"""Mean and standard deviation of voxels while trials arrive one by one."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.scan import SavedScan, zscored_scan
from mindeye.data.scans.table import counted_trials
from mindeye.data.scans.units import knows_statistics
from mindeye.data.zscore import Statistics, zscored

RUNNING = "running"
WARM_UP = 20
"""Trials; fewer give poor standard deviations. MindEye-RT waits for 63."""
# Of percent signal change; smaller spreads are rounding.
SMALLEST_STD = 1e-6


class RunningStatistics(NamedTuple):
    """Per voxel, over all trials so far; values that are not finite are left out.

    Source: Welford 1962 (Technometrics 4(3)), in float64: no trial has to be kept.
    """

    counts: Int64[np.ndarray, "voxels"]
    mean: Float64[np.ndarray, "voxels"]
    squares: Float64[np.ndarray, "voxels"]
    """Sums of squared differences from the mean."""

    @classmethod
    def empty(cls, num_voxels: int) -> "RunningStatistics":
        """Before the first trial."""
        zeros = np.zeros(num_voxels)
        return cls(np.zeros(num_voxels, dtype=np.int64), zeros, zeros)

    def with_trial(self, betas: Float32[np.ndarray, "voxels"]) -> "RunningStatistics":
        """After one more trial."""
        seen = np.isfinite(betas)
        counts = self.counts + seen
        difference = np.where(seen, betas - self.mean, 0)
        mean = self.mean + difference / np.maximum(counts, 1)
        squares = self.squares + difference * np.where(seen, betas - mean, 0)
        return RunningStatistics(counts, mean, squares)

    @property
    def statistics(self) -> Statistics:
        """As `mindeye.data.zscore.statistics_of` over the same trials (ddof 1)."""
        std = np.sqrt(self.squares / np.maximum(self.counts - 1, 1))
        usable = (self.counts > 1) & (std > SMALLEST_STD)
        return Statistics(self.mean.astype(np.float32), np.where(usable, std, 0).astype(np.float32))


def zscored_trial(
    betas: Float32[np.ndarray, "voxels"],
    number: int,
    so_far: RunningStatistics,
    bundle: VoxelBundle,
    *,
    statistics: str,
    units: str,
    warm_up: int = WARM_UP,
) -> tuple[Float32[np.ndarray, "voxels"], str]:
    """One trial in z, and what made it so: `train`, `running` or `none`.

    With `running` statistics these are of all trials up to and with this one. The first `warm_up`
    trials are too few for that: the model's training statistics are taken where it knows them,
    else the trial is not z-scored (`none`, all zeros).

    Args:
        so_far: over the trials up to and with this one.

    Raises:
        ValueError: as `zscored_scan`.
    """
    if statistics == RUNNING and units != "z":
        if number >= warm_up:
            known = np.where(np.isfinite(betas), betas, so_far.mean).astype(np.float32)
            return zscored(known[None], so_far.statistics)[0], RUNNING
        if not knows_statistics(bundle):
            return np.zeros_like(betas), "none"
    one = SavedScan(
        betas=betas[None], units=units, trials=counted_trials(1), form="trial", files=()
    )
    return zscored_scan(one, bundle, statistics="train")[0], "train"


def running_zscored(
    scan: SavedScan, bundle: VoxelBundle
) -> tuple[Float32[np.ndarray, "trials voxels"], list[str]]:
    """A whole scan as if its trials had come one by one, and what made each trial z.

    Raises:
        ValueError: as `require_running`.
    """
    require_running(bundle)
    so_far = RunningStatistics.empty(bundle.num_voxels)
    found = []
    for number, betas in enumerate(scan.betas):
        so_far = so_far.with_trial(betas)
        found.append(
            zscored_trial(betas, number, so_far, bundle, statistics=RUNNING, units=scan.units)
        )
    return np.stack([z for z, _ in found]), [by for _, by in found]


def require_running(bundle: VoxelBundle) -> None:
    """Refuses running statistics for a model that takes no z-scores.

    Raises:
        ValueError: it was trained on percent signal change.
    """
    if bundle.zscore == "none":
        raise ValueError(
            "The model was trained on percent signal change, without z-scores. "
            "Take the training's statistics."
        )

"""The runs of a folder of time series, checked together; then their betas, run by run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from mindeye.data.scans.grid import Grid, check_same_grid, grid_of, read_mask
from mindeye.data.scans.nifti import open_nifti, stream_voxels
from mindeye.data.scans.results import FAILED
from mindeye.data.scans.series import lss
from mindeye.data.scans.series.confounds import read_confounds
from mindeye.data.scans.series.events import RunEvents, read_events
from mindeye.data.scans.series.request import HIGH_PASS_HZ, SeriesRequest
from mindeye.data.scans.series.runs import RunFiles, find_runs
from mindeye.data.scans.series.timing import Timing, read_timing
from mindeye.data.scans.table import Trial, with_repeats

UNITS = "percent signal change at the peak of the response"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, with its model; the series is still on disk."""

    files: RunFiles
    image: nibabel.Nifti1Image
    brain: Bool[np.ndarray, "x y z"]
    timing: Timing
    events: RunEvents
    num_confounds: int
    weights: Float[np.ndarray, "volumes trials"]

    def betas(
        self, positions: Int[np.ndarray, "voxels"], volume_read: Callable[[], None]
    ) -> Float32[np.ndarray, "trials voxels"]:
        """Of voxels by their positions in the C-ordered volume."""
        count = self.timing.num_volumes
        series, _ = stream_voxels(self.files.series, self.image, positions, count, volume_read)
        return lss.percent_betas(series, self.weights)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs on one grid."""

    runs: tuple[Run, ...]
    grid: Grid
    high_pass_hz: float

    @property
    def brain(self) -> Bool[np.ndarray, "x y z"]:
        """In the brain mask of every run."""
        return np.logical_and.reduce([run.brain for run in self.runs])

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Run by run, by onset."""
        rows = [trial for run in self.runs for trial in run.events.trials]
        numbered = [replace(trial, trial=number) for number, trial in enumerate(rows)]
        return with_repeats(numbered, {})

    @property
    def method(self) -> str:
        """How the betas are estimated."""
        counts = sorted({run.num_confounds for run in self.runs})
        told = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
        return (
            f"LSS by {lss.LIBRARY}, {lss.HRF} response, drift below {self.high_pass_hz:g} Hz, "
            f"{told} confounds"
        )

    @property
    def about(self) -> dict[str, Any]:
        """For whoever finds the betas later."""
        return {
            "method": self.method,
            "units": UNITS,
            "runs": [run.files.series.name for run in self.runs],
            "events": [run.files.events.name for run in self.runs],
            "repetition_times_s": [run.timing.repetition_time_s for run in self.runs],
            "first_volumes_at_s": [run.timing.start_s for run in self.runs],
        }


def open_series(folder: Path, request: SeriesRequest) -> Series:
    """Finds the runs and makes their models; no series is read yet.

    Raises:
        FileNotFoundError: a file of a run is missing.
        LookupError: no such space, task or confound.
        ValueError: runs or files that do not belong together, or trials that cannot be estimated.
    """
    high_pass_hz = HIGH_PASS_HZ if request.high_pass_hz is None else request.high_pass_hz
    if not 0 < high_pass_hz < 1:
        raise ValueError(f"A high-pass of {high_pass_hz:g} Hz was asked for. Give 0 to 1 Hz.")
    asked = replace(request, high_pass_hz=high_pass_hz)
    runs = tuple(_open_run(files, asked) for files in find_runs(folder, asked))
    grids = [grid_of(run.files.series, run.image) for run in runs]
    for grid in grids[1:]:
        if grid.shape != grids[0].shape or not np.allclose(grid.affine, grids[0].affine, atol=1e-3):
            raise ValueError(
                f"{grid.name} has another grid than {grids[0].name}: {grid.shape} and "
                f"{grids[0].shape}, or another affine. Resample all runs of a person to one grid "
                "(fMRIPrep does so in a space such as T1w)."
            )
    series = Series(runs=runs, grid=grids[0], high_pass_hz=high_pass_hz)
    if not series.brain.any():
        raise ValueError(f"No voxel lies in all {len(runs)} brain masks of {folder}. Look at them.")
    return series


def estimate(
    series: Series, positions: Int[np.ndarray, "voxels"], progress: Progress | None = None
) -> Float32[np.ndarray, "trials voxels"]:
    """Betas of all runs in percent signal change; NaN outside of the brain.

    Args:
        positions: of the voxels in the C-ordered volume.
        progress: told how many volumes of how many were read.
    """
    betas = np.concatenate(list(each_run(series, positions, progress)))
    betas[:, ~series.brain.ravel()[positions]] = np.nan
    return betas


def each_run(
    series: Series, positions: Int[np.ndarray, "voxels"], progress: Progress | None = None
) -> Iterator[Float32[np.ndarray, "trials voxels"]]:
    """Betas run by run, so that one series at a time is in memory."""
    total, done = sum(run.timing.num_volumes for run in series.runs), 0

    def volume_read() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for run in series.runs:
        yield run.betas(positions, volume_read)


def _open_run(files: RunFiles, request: SeriesRequest) -> Run:
    """Everything of a run but its series."""
    image = open_nifti(files.series)
    if len(image.shape) != 4 or image.shape[3] < 2:
        raise ValueError(
            f"{files.series} has shape {image.shape}. A time series of several volumes is needed."
        )
    timing = read_timing(files.series, image, files.sidecar)
    mask = read_mask(files.mask)
    belongs = check_same_grid(mask, grid_of(files.series, image))
    if belongs.status == FAILED:
        raise ValueError(f"{files.mask}: {belongs.text}")
    events = read_events(files, timing)
    confounds = read_confounds(files.confounds, request.confounds, timing.num_volumes)
    try:
        responses = lss.trial_responses(timing.times_s, events.onsets_s, events.durations_s)
        nuisance = lss.nuisance_columns(
            timing.times_s, events.others, confounds, request.high_pass_hz
        )
        weights = lss.lss_weights(responses, nuisance)
    except ValueError as error:
        raise ValueError(f"{files.series.name} with {files.events.name}: {error}") from error
    return Run(
        files=files,
        image=image,
        brain=mask.inside,
        timing=timing,
        events=events,
        num_confounds=len(confounds.names),
        weights=weights,
    )

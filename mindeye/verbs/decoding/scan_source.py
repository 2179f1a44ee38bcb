"""A user's scan as `mindeye decode` takes it: read, checked, and sorted by image."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import CHECKS, FAILED, CheckResult
from mindeye.data.scans.scan import SavedScan, check_scan, read_scan, zscored_scan
from mindeye.data.scans.series.request import NOTHING_ASKED, SeriesRequest
from mindeye.data.scans.table import Trial
from mindeye.reconstruction.running_statistics import RUNNING, running_zscored


@dataclass(frozen=True, kw_only=True)
class ScanSource:
    """Which files hold a scan, and how they are to be read."""

    paths: tuple[Path, ...]
    mask: Path | None = None
    trials: Path | None = None
    units: str | None = None
    """psc, nsd-int16 or z; None: as the values look."""
    orientation: str | None = None
    trust_pickle: bool = False
    series: SeriesRequest = NOTHING_ASKED
    """Of a BIDS folder of time series."""
    progress: Callable[[int, int], None] | None = None
    """Told how many volumes of such a folder were read."""
    statistics: str = "train"
    """Whose mean and standard deviation z-score it: train, own or running."""
    forced: tuple[str, ...] = ()
    """Checks that may fail."""


def checked_scan(
    source: ScanSource, bundle: VoxelBundle
) -> tuple[SavedScan, tuple[CheckResult, ...]]:
    """Reads a scan and checks it.

    Raises:
        LookupError: a forced check that does not exist.
        ValueError: a check failed that is not forced.
    """
    forced = {name.replace("-", " ") for name in source.forced}
    if unknown := sorted(forced - set(CHECKS)):
        raise LookupError(f"There is no check `{unknown[0]}`. Choose from {', '.join(CHECKS)}.")
    scan = read_scan(
        source.paths,
        bundle,
        mask=source.mask,
        trials=source.trials,
        units=source.units,
        orientation=source.orientation,
        trust_pickle=source.trust_pickle,
        series=source.series,
        progress=source.progress,
    )
    checks = tuple(check_scan(scan, bundle))
    if source.statistics == RUNNING:
        # It asks for the training's or the scan's own statistics; these are neither.
        forced.add("normalisation")
    failed = [one for one in checks if one.status == FAILED and one.name not in forced]
    if failed:
        seen = " ".join(f"{one.name}: {one.text}" for one in failed)
        names = " ".join(one.name.replace(" ", "-") for one in failed)
        raise ValueError(
            f"This scan fails {len(failed)} checks. {seen} To decode it all the same: "
            f"--force {names}."
        )
    return scan, checks


def zscored_trials(
    scan: SavedScan, bundle: VoxelBundle, statistics: str
) -> tuple[Float32[np.ndarray, "trials voxels"], list[str]]:
    """A scan in z, and which statistics made each trial so.

    Raises:
        ValueError: the scan or the model does not have these statistics.
    """
    if statistics == RUNNING:
        return running_zscored(scan, bundle)
    return zscored_scan(scan, bundle, statistics=statistics), [statistics] * len(scan.betas)


def with_zscores(rows_of: Mapping[int, list[int]], by: Sequence[str]) -> dict[int, list[int]]:
    """The images without trials of a warm-up that nothing z-scores.

    Raises:
        ValueError: no trial is left.
    """
    kept = {number: [row for row in rows if by[row] != "none"] for number, rows in rows_of.items()}
    kept = {number: rows for number, rows in kept.items() if rows}
    if not kept:
        raise ValueError(
            f"All {len(by)} trials lie in the warm-up of running statistics, and the model came "
            "without training statistics. Give more trials, or z-scored betas with --units z."
        )
    return kept


def about_scan(
    scan: SavedScan, source: ScanSource, zscored: Float32[np.ndarray, "trials voxels"]
) -> dict[str, Any]:
    """For manifest and page: equal means the same values of the same images."""
    return {
        "files": [path.name for path in scan.files],
        "form": scan.form,
        "trials": len(scan.betas),
        "units": scan.units,
        "statistics": source.statistics,
        "values": hashlib.sha256(np.ascontiguousarray(zscored).tobytes()).hexdigest(),
    }


def ids_known(trials: Sequence[Trial]) -> bool:
    """Whether each trial tells its image id."""
    return all(trial.image_id is not None for trial in trials)


def chosen_images(
    trials: Sequence[Trial], num_images: int | None, seed: int
) -> dict[int, list[int]]:
    """Image number -> rows of its repeats, ascending; all, or some drawn at random.

    The number is the image id where all trials tell theirs, else the first row that showed it;
    a trial that tells neither id nor name is an image of its own.

    Raises:
        ValueError: more images asked for than there are.
    """
    known, first = ids_known(trials), {}
    rows_of: dict[int, list[int]] = {}
    for row, trial in enumerate(trials):
        image = row if trial.image is None else trial.image
        key = (trial.image is None, image)
        number = trial.image_id if known else first.setdefault(key, row)
        rows_of.setdefault(number, []).append(row)
    numbers = np.array(sorted(rows_of))
    if num_images is not None:
        if not 1 <= num_images <= len(numbers):
            raise ValueError(
                f"{num_images} images asked for, but this scan has {len(numbers)}. "
                f"Choose from 1 to {len(numbers)}."
            )
        numbers = np.sort(np.random.default_rng(seed).permutation(numbers)[:num_images])
    return {number: rows_of[number] for number in numbers.tolist()}

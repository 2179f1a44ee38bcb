"""A person's saved scan: read in any usual form, checked, z-scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans import checks, forms
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.results import (
    CHECKS,
    SKIPPED,
    CheckResult,
    failed,
    require_passed,
    skipped,
)
from mindeye.data.scans.series.request import NOTHING_ASKED, SeriesRequest
from mindeye.data.scans.table import TrialTable, counted_trials, read_table
from mindeye.data.scans.units import (
    UNITS,
    check_units,
    in_percent,
    knows_statistics,
    training_statistics,
)
from mindeye.data.zscore import MAX_INVALID_SHARE, statistics_of, zscored

STATISTICS = ("train", "own")


@dataclass(frozen=True, kw_only=True)
class SavedScan:
    """Trials of one person as read from a file, in the bundle's voxel order, before z-scoring."""

    betas: Float32[np.ndarray, "trials voxels"]
    """Percent signal change or z; NaN where the file has none."""
    units: str
    """`psc`, `nsd-int16` or `z`: as given or as found out; of the first two, betas are `psc`."""
    trials: TrialTable
    form: str
    files: tuple[Path, ...]
    seen: tuple[CheckResult, ...] = ()
    """What the reading has checked: voxels, units and header."""
    mean_volume: Float[np.ndarray, "x y z"] | None = field(default=None, repr=False)
    """Mean over trials of the whole volume, where there is one."""


def read_scan(
    paths: Sequence[Path],
    bundle: VoxelBundle,
    *,
    mask: Path | None = None,
    trials: Path | None = None,
    units: str | None = None,
    orientation: str | None = None,
    trust_pickle: bool = False,
    series: SeriesRequest = NOTHING_ASKED,
    progress: Callable[[int, int], None] | None = None,
) -> SavedScan:
    """Reads a scan for the model that `bundle` belongs to; nothing is resampled, turned or padded.

    Args:
        paths: one file; several only where a form has several (3-D volumes, hemispheres).
        mask: which voxels the scan has; of a volume the model's own mask is taken without one.
        trials: a table with one row a trial; needed where each trial has a file.
        units: `psc`, `nsd-int16` or `z`; None takes percent signal change if it looks like it.
        orientation: of a 2-D array, `trials x voxels` or `voxels x trials`.
        trust_pickle: read GLMsingle's pickled .npy; what it names is never run.
        series: how betas are estimated from a BIDS folder; refused with any other form.
        progress: told how many of its volumes were read.

    Raises:
        FileNotFoundError: a file is missing.
        LookupError: an unknown form, unit or orientation.
        ValueError: a damaged file, or a table that does not fit.
        RefusedScanError: these cannot be the model's voxels, or not in this unit.
    """
    paths = tuple(Path(path) for path in paths)
    _require_unit(units)
    asked = forms.Asked(mask, trials, orientation, trust_pickle, series, progress)
    files, reading = forms.read_form(paths, bundle, asked)
    units = _settled_units(units, reading)
    in_units = check_units(reading.betas, units, bundle)
    seen = (*reading.checks, in_units, _header(reading))
    require_passed(files[0].name, seen)
    return SavedScan(
        betas=in_percent(reading.betas, units or "psc"),
        units=units or "psc",
        trials=_table(reading, trials),
        form=reading.form,
        files=files,
        seen=seen,
        mean_volume=reading.mean_volume,
    )


def check_scan(scan: SavedScan, bundle: VoxelBundle) -> list[CheckResult]:
    """The twelve checks in their order; only a decoder can run the last."""
    found = {one.name: one for one in scan.seen}
    later = (
        checks.check_unusable_voxels(scan.betas, bundle),
        checks.check_normalisation(len(scan.betas), scan.units, bundle),
        checks.check_mean_map(scan.betas, scan.units, bundle, scan.mean_volume),
        checks.check_trials(scan.trials),
        checks.check_repeats(scan.trials, scan.form),
        skipped("predictions", "Only decoding shows whether predictions are more than noise."),
    )
    found |= {one.name: one for one in later}
    found["voxel identity"] = _identity(found, bundle)
    return [found[name] for name in CHECKS]


def zscored_scan(
    scan: SavedScan, bundle: VoxelBundle, *, statistics: str
) -> Float32[np.ndarray, "trials voxels"]:
    """What the model takes: z, or percent signal change where it was trained on that.

    Voxels that are unusable in this scan or in training are 0 (of percent signal change: their
    training mean). Z-scored betas are taken as they are.

    Args:
        statistics: `train` (the model's) or `own` (of all these trials, which it sees at once).

    Raises:
        LookupError: unknown statistics.
        ValueError: the statistics cannot be had, more than 1 % of the voxels are unusable, or the
            model takes another unit.
    """
    if statistics not in STATISTICS:
        raise LookupError(f"Unknown statistics `{statistics}`. Pick {' or '.join(STATISTICS)}.")
    unusable = checks.unusable_voxels(scan.betas)
    if unusable.sum() > MAX_INVALID_SHARE * bundle.num_voxels:
        raise ValueError(checks.check_unusable_voxels(scan.betas, bundle).text)
    if bundle.zscore == "none":
        return _in_percent_only(scan, bundle, statistics)
    if scan.units == "z":
        z = scan.betas
    elif statistics == "train":
        if not knows_statistics(bundle):
            raise ValueError(
                "The model came without training statistics. Use the scan's own "
                f"(at least {checks.MIN_TRIALS} trials), or give z-scored betas with --units z."
            )
        z = zscored(scan.betas, training_statistics(bundle))
    else:
        refusal = checks.refusal_of_own(len(scan.betas))
        if refusal:
            raise ValueError(f"{refusal}. Use the model's training statistics.")
        z = zscored(scan.betas, statistics_of(scan.betas, np.ones(len(scan.betas), dtype=bool)))
    return np.where(unusable, np.float32(0), z)


def _in_percent_only(
    scan: SavedScan, bundle: VoxelBundle, statistics: str
) -> Float32[np.ndarray, "trials voxels"]:
    if scan.units == "z" or statistics != "train":
        raise ValueError(
            "The model was trained on percent signal change, without z-scores. Give betas in "
            "percent signal change and take the training's statistics."
        )
    return np.where(checks.unusable_voxels(scan.betas), bundle.mean_map, scan.betas)


def _require_unit(units: str | None) -> None:
    if units is not None and units not in UNITS:
        raise LookupError(f"Unknown unit `{units}`. Pick one of {', '.join(UNITS)}.")


def _settled_units(asked: str | None, reading: Reading) -> str | None:
    if None not in (asked, reading.units) and asked != reading.units:
        raise ValueError(
            f"--units {asked} was asked for, but betas of a {reading.form} are {reading.units}. "
            "Leave --units out."
        )
    return asked or reading.units


def _table(reading: Reading, given: Path | None) -> TrialTable:
    """The table that was given, or what the form tells itself."""
    count = len(reading.betas)
    return (
        read_table(given, count) if given is not None else reading.trials or counted_trials(count)
    )


def _header(reading: Reading) -> CheckResult:
    return checks.check_header(reading.dtype, reading.header, len(reading.betas))


def _identity(found: dict[str, CheckResult], bundle: VoxelBundle) -> CheckResult:
    """Without mask and without mean map, nothing tells whether these are the model's voxels."""
    identity = found["voxel identity"]
    unknown = identity.status == SKIPPED and found["mean map"].status == SKIPPED
    if not unknown or bundle.coordinates is None:
        return identity
    return failed(
        identity.name,
        "No mask was given, and no mean map can be compared: these columns may be any voxels.",
        "Pass the mask that they were taken with (--mask).",
    )

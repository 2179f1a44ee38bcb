"""THINGS-fMRI's tables: which picture in which trial, and where each voxel lies."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
from jaxtyping import Bool, Float32, Int

from mindeye import things_layout as layout
from mindeye.data.roi import VISUAL_AREAS

_TRIAL_COLUMNS = ("trial_type", "session", "run", "subject_id", "trial_id", "stimulus")
VISUAL, ALL = "visual", "all"
EARLY = ("V1", "V2", "V3", "hV4")


class ThingsTrials(NamedTuple):
    """In the order shown. Image ids are positions among the sorted names."""

    names: list[str]
    image_ids: Int[np.ndarray, "trials"]
    is_test: Bool[np.ndarray, "trials"]
    sessions: Int[np.ndarray, "trials"]
    runs: Int[np.ndarray, "trials"]
    repeats: Int[np.ndarray, "trials"]


class ThingsVoxels(NamedTuple):
    """Those that were chosen, in ascending order of their rows."""

    rows: Int[np.ndarray, "voxels"]
    """Of the table, and of the betas."""
    num_rows: int
    ids: Int[np.ndarray, "all_voxels"]
    """`voxel_id` of every row."""
    coordinates: Int[np.ndarray, "all_voxels 3"]
    noise_ceiling: Float32[np.ndarray, "voxels"]
    """Of single trials, in percent."""
    regions: dict[str, Bool[np.ndarray, "voxels"]]
    """Retinotopy and localizers, and those that were asked for."""


def read_things_trials(path: Path, subject: int) -> ThingsTrials:
    """Reads the table of trials.

    Raises:
        FileNotFoundError: no such file.
        ValueError: columns are missing, a row is blank or of another subject, rows are out of
            order, or a picture stands in training and test.
    """
    table = _read(path, _TRIAL_COLUMNS)
    blank = np.flatnonzero(table.isna().any(axis=1))
    if len(blank):
        raise ValueError(
            f"{path} has blank cells in {len(blank)} rows, first row {blank[0]} (from 0). "
            "Was it cut off, or edited?"
        )
    wrong = ~table["trial_type"].isin(["train", "test"])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{path}: row {row} has trial_type `{table['trial_type'][row]}`, but train or test is "
            "needed. Catch trials are not in the published table: was it edited?"
        )
    if set(table["subject_id"]) != {subject}:
        raise ValueError(
            f"{path} is of subject {sorted(set(table['subject_id']))}, not {subject}. "
            "Was the file renamed?"
        )
    if not np.array_equal(table["trial_id"], np.arange(len(table))):
        raise ValueError(
            f"{path}: trial_id does not run from 0 to {len(table) - 1}. Was it sorted or cut? "
            "The betas stand in that order."
        )
    names, image_ids = np.unique(table["stimulus"].to_numpy(str), return_inverse=True)
    is_test = (table["trial_type"] == "test").to_numpy(bool)
    both = np.intersect1d(image_ids[is_test], image_ids[~is_test])
    if len(both):
        raise ValueError(
            f"{path}: {len(both)} pictures stand in train and in test, first "
            f"{names[both[:3]].tolist()}. Split by image, never by trial."
        )
    repeats = table.groupby("stimulus").cumcount().to_numpy(np.int64)
    sessions, runs = (table[name].to_numpy(np.int64) for name in ("session", "run"))
    return ThingsTrials(
        names.tolist(), image_ids.astype(np.int64), is_test, sessions, runs, repeats
    )


def read_things_voxels(path: Path, roi: str, above: float | None) -> ThingsVoxels:
    """Reads the table of voxels and chooses some.

    Args:
        roi: columns of the table joined by `+`, `visual` for all regions of retinotopy and
            localizers, or `all` voxels.
        above: keeps voxels whose noise ceiling of single trials exceeds this many percent.

    Raises:
        FileNotFoundError: no such file.
        LookupError: a region that the table does not have.
        ValueError: columns are missing, or no voxel is left.
    """
    known = [name for name in _header(path) if name not in layout.NO_REGIONS]
    visual = [name for name in layout.VISUAL_REGIONS if name in known]
    asked = visual if roi == VISUAL else [] if roi == ALL else roi.split("+")
    for name in asked:
        if name not in known:
            raise LookupError(
                f"{path} has no region `{name}`; it has {', '.join(known)}. Join names by +, or "
                f"say {VISUAL} or {ALL}."
            )
    regions = sorted({*visual, *asked}, key=known.index)
    needed = (layout.VOXEL_ID, *layout.COORDINATES, layout.NOISE_CEILING, *regions)
    table = _read(path, needed)
    inside = {name: table[name].to_numpy() == 1 for name in regions}
    keep = np.zeros(len(table), dtype=bool) if roi != ALL else np.ones(len(table), dtype=bool)
    for name in asked:
        keep |= inside[name]
    ceiling = table[layout.NOISE_CEILING].to_numpy(np.float32)
    if above is not None:
        keep &= np.nan_to_num(ceiling, nan=-1) > above
    if not keep.any():
        raise ValueError(
            f"{path}: no voxel of {roi}{'' if above is None else f' has a ceiling above {above:g}'}"
            f"; the highest of all is {np.nanmax(ceiling, initial=0):.1f} %. Choose more."
        )
    rows = np.flatnonzero(keep)
    return ThingsVoxels(
        rows,
        len(table),
        table[layout.VOXEL_ID].to_numpy(np.int64),
        table[list(layout.COORDINATES)].to_numpy(np.int64),
        ceiling[rows],
        {name: inside[name][rows] for name in regions},
    )


def _header(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Fetch it from betas_csv of THINGS-fMRI (figshare plus 20492835)."
        )
    try:
        return pandas.read_csv(path, nrows=0).columns.tolist()
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def _read(path: Path, columns: tuple[str, ...]) -> pandas.DataFrame:
    found = _header(path)
    absent = [name for name in columns if name not in found]
    if absent:
        raise ValueError(
            f"{path} has no column {', '.join(absent)}; it has {', '.join(found[:8])}. "
            "Is this the table that THINGS-fMRI published?"
        )
    try:
        return pandas.read_csv(path, usecols=list(columns))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def labels_of(voxels: ThingsVoxels) -> dict[str, dict]:
    """The early areas as one atlas, which reports know; every other region by itself."""
    atlas, early = VISUAL_AREAS["V1"][0], [one for one in EARLY if one in voxels.regions]
    labels = {
        name: one.astype(np.int16) for name, one in voxels.regions.items() if name not in early
    }
    names = {name: {1: name} for name in labels}
    if early:
        inside = [voxels.regions[name] for name in early]
        values = np.select(inside, range(1, len(early) + 1), default=0)
        labels[atlas] = values.astype(np.int16)
        names[atlas] = dict(enumerate(early, start=1))
    return {"label_of_voxel": labels, "label_names": names}

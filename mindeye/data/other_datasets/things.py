"""THINGS-fMRI (Hebart et al. 2023), the tables of `betas_csv` -> a prepared folder.

`mindeye.things_layout` says what the files hold and where that was read. Image ids are positions
among the sorted names of the subject's pictures, the same for all three subjects. Test pictures
are the test, some of the others become the validation. The regularisation of the published betas
was chosen by the test pictures, the only ones that were repeated: the manifest flags it, and a
choice of voxels by their noise ceiling as well.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

import mindeye
from mindeye import things_layout as layout
from mindeye.data.bundle import VoxelBundle
from mindeye.data.origin import ORIGINAL_NAMES
from mindeye.data.other_datasets.noise_ceilings import ncsnr_of
from mindeye.data.other_datasets.things_responses import opened_responses, read_session
from mindeye.data.other_datasets.things_tables import (
    VISUAL,
    ThingsTrials,
    ThingsVoxels,
    labels_of,
    read_things_trials,
    read_things_voxels,
)
from mindeye.data.picture_files import PICTURE_SIDE, find_pictures, square_pictures
from mindeye.data.prepare import Progress
from mindeye.data.roi import coordinates_of, read_volume
from mindeye.data.splits import SPLITS, split_images
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record
from mindeye.data.zscore import Statistics, require_usable, statistics_of, zscored
from mindeye.files import read_json
from mindeye.nsd_layout import SIMULATED_FILE

DATASET, PROTOCOL = "things-fmri", "things-test"
SCOPES = ("session-train", "session-all", "none")
UNITS = "of time series that were z-scored in each run"
TUNED, BY_CEILING = "betas:tuned-on-test-images", "voxels:test-noise-ceiling"

Grid = tuple[Bool[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]


def prepare_things(
    folder: Path | str,
    *,
    subject: int,
    out: Path | str,
    stimuli: Path | str,
    roi: str = VISUAL,
    noise_ceiling_above: float | None = None,
    zscore: str = "session-train",
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Prepares one subject of THINGS-fMRI; whole or not at all. Holds one session at a time.

    Args:
        folder: `betas_csv`, or the folder above it. A brain mask there, or in `brainmasks` beside
            it, gives the bundle a grid; without one, voxels are known by their ids.
        stimuli: folder of the pictures, at any depth.
        roi: `visual`, `all`, or columns of the table of voxels joined by `+`.
        noise_ceiling_above: keeps voxels whose noise ceiling of single trials exceeds this many
            percent; it was estimated from the test.
        zscore: `session-train`, `session-all` (sees the test) or `none`.
        seed: chooses the validation images.

    Raises:
        FileNotFoundError: a file or pictures are missing.
        LookupError: no such subject, region or scope.
        ValueError: damaged or contradicting files, no voxel left, or `out` holds something else.
    """
    _require_known(subject, zscore)
    folder = Path(folder) / "betas_csv" if (Path(folder) / "betas_csv").is_dir() else Path(folder)
    trials = read_things_trials(folder / layout.trials_path(subject), subject)
    voxels = read_things_voxels(folder / layout.voxels_path(subject), roi, noise_ceiling_above)
    path = folder / layout.responses_path(subject)
    with opened_responses(path, len(trials.image_ids), voxels.ids):
        pass
    grid = _grid(folder, subject, voxels)
    name_of = dict(enumerate(trials.names))
    pictures = find_pictures(Path(stimuli), name_of)
    marker, threshold = folder / SIMULATED_FILE, noise_ceiling_above
    settings = {
        "dataset": DATASET,
        "subject": subject,
        "space": f"{DATASET} sub-{subject:02d} T1w",
        "roi": roi if threshold is None else f"{roi}, noise ceiling above {threshold:g} %",
        "beta_version": "betas_csv",
        "protocol": PROTOCOL,
        "zscore": zscore,
        "sessions": np.unique(trials.sessions).tolist(),
        "seed": seed,
        "picture_set": ORIGINAL_NAMES,
        "units": UNITS,
        "simulated": read_json(marker) if marker.exists() else None,
    }
    splits = split_images(trials.image_ids, trials.is_test, seed=seed)
    saw_test = {TUNED: True, BY_CEILING: threshold is not None, f"zscore:{zscore}": "all" in zscore}
    statistics: dict[int, Statistics] = {}
    paths = (layout.responses_path, layout.trials_path, layout.voxels_path)
    record = SubjectRecord(
        folder=folder,
        settings=settings,
        transductive=[step for step, is_so in saw_test.items() if is_so],
        splits=splits,
        num_trials=len(trials.image_ids),
        num_voxels=len(voxels.rows),
        side=PICTURE_SIDE,
        trials=partial(_trials, path, trials, voxels, splits, zscore, statistics),
        pictures=partial(square_pictures, pictures, side=PICTURE_SIDE),
        bundle=partial(_bundle, settings, voxels, grid, statistics, trials, splits),
        files={one(subject).name: folder / one(subject) for one in paths},
        image_names=name_of,
    )
    return write_record(Path(out), record, progress)


def _require_known(subject: int, zscore: str) -> None:
    if not 1 <= subject <= layout.NUM_SUBJECTS:
        raise LookupError(
            f"THINGS-fMRI has subjects 1 to {layout.NUM_SUBJECTS}, not {subject}. Pick one of them."
        )
    if zscore not in SCOPES:
        raise LookupError(f"Unknown z-score scope `{zscore}`. Pick one of {', '.join(SCOPES)}.")


def _grid(folder: Path, subject: int, voxels: ThingsVoxels) -> Grid | None:
    """Brain mask and affine, where the mask is at hand; its voxels are the table's, in order."""
    name = layout.brainmask_path(subject)
    places = [folder / name, *(one / "brainmasks" / name for one in (folder, folder.parent))]
    path = next((one for one in places if one.is_file()), None)
    if path is None:
        return None
    values, affine = read_volume(path)
    mask = values > 0
    if not np.array_equal(coordinates_of(mask), voxels.coordinates):
        raise ValueError(
            f"{path} has {int(mask.sum())} voxels, the table of voxels {voxels.num_rows}, or they "
            "lie elsewhere. Do mask and table belong to one subject?"
        )
    return mask, affine


def _trials(
    path: Path,
    trials: ThingsTrials,
    voxels: ThingsVoxels,
    splits: dict[str, np.ndarray],
    zscore: str,
    statistics: dict[int, Statistics],
) -> Iterator[TrialRecord]:
    """Session by session; leaves each one's mean and standard deviation in `statistics`."""
    split_of = {image_id: split for split in SPLITS for image_id in splits[split].tolist()}
    is_known = np.isin(trials.image_ids, splits["train"]) | (zscore == "session-all")
    with opened_responses(path, len(trials.image_ids), voxels.ids) as stored:
        for session in np.unique(trials.sessions).tolist():
            here = np.flatnonzero(trials.sessions == session)
            found = _session(stored, voxels, here, is_known[here], zscore != "none")
            statistics[session] = found.statistics
            require_usable(found.statistics, f"{path}, session {session}")
            for number, trial in enumerate(here.tolist()):
                image_id = int(trials.image_ids[trial])
                yield TrialRecord(
                    split_of[image_id],
                    found.betas[number].copy(),
                    image_id,
                    session,
                    int(trials.runs[trial]),
                    trial,
                    int(trials.repeats[trial]),
                )
            # Before the next one is read: a session of the whole brain takes 0.7 GB, and a trial
            # that is no copy of its own would keep it.
            del found


class _Session(NamedTuple):
    betas: Float32[np.ndarray, "trials voxels"]
    statistics: Statistics


def _session(
    stored: h5py.Dataset,
    voxels: ThingsVoxels,
    trials: Int[np.ndarray, "trials"],
    is_known: Bool[np.ndarray, "trials"],
    zscore: bool,
) -> _Session:
    """One session with the statistics of its known trials, z-scored by them if asked for."""
    betas = np.empty((len(trials), len(voxels.rows)), dtype=np.float32)
    parts = []
    for place, block in read_session(stored, voxels.rows, trials):
        parts.append(statistics_of(block, is_known))
        betas[:, place] = zscored(block, parts[-1]) if zscore else block
    return _Session(betas, Statistics(*(np.concatenate(one) for one in zip(*parts))))


def _bundle(
    settings: dict,
    voxels: ThingsVoxels,
    grid: Grid | None,
    statistics: dict[int, Statistics],
    trials: ThingsTrials,
    splits: dict[str, np.ndarray],
) -> VoxelBundle:
    is_train = np.isin(trials.image_ids, splits["train"])
    weights = [int(is_train[trials.sessions == session].sum()) for session in statistics]
    mean = np.stack([one.mean for one in statistics.values()])
    place = {} if grid else {"columns": voxels.ids[voxels.rows].astype(np.int32)}
    return VoxelBundle(
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        sessions=tuple(statistics),
        shape=grid[0].shape if grid else None,
        affine=grid[1] if grid else None,
        coordinates=voxels.coordinates[voxels.rows].astype(np.int16) if grid else None,
        **place,
        mean=mean,
        std=np.stack([one.std for one in statistics.values()]),
        mean_map=np.average(mean, axis=0, weights=weights).astype(np.float32),
        ncsnr=ncsnr_of(voxels.noise_ceiling),
        **labels_of(voxels),
        units=settings["units"],
        provenance={
            "dataset": settings["dataset"],
            "grid": "brain mask" if grid else "no brain mask at hand: columns.npy holds voxel_id",
            "noise_ceiling": "of single test trials",
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    )

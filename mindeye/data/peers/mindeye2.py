"""MindEye2's published betas, trial tables and pictures -> a prepared folder.

`betas_all_subj0X_fp32_renorm.hdf5` holds `betas` (trials, voxels). Each sample of the tars below
`wds/subj0X` is one trial: `behav.npy` [1, 17], whose columns say which image (`COLUMNS`) and which
row of the betas. `train` has a tar for each session, without shared images; `new_test` has all
shared images (protocol `nsd-40-new_test`), `test` those of the first release (`nsd-37-avg`).
`coco_images_224_float16.hdf5` holds `images` (73000, 3, 224, 224) from 0 to 1, here 8 bits again.

Whether the betas are NSD's b2 or b3 is not settled (MindEyeV2 issues #28 and #35). By the paper
(A.2) they are z-scored with the training trials, but of all sessions: fewer sessions have seen the
others, and the manifest flags it. MindEye2 has no validation; some training images become ours.

Source: MedARC-AI/MindEyeV2, README, `src/Train.ipynb`, `src/dataset_creation.ipynb`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int, UInt8

from mindeye import nsd_layout as layout
from mindeye.data.peers.behaviour import COLUMNS, in_order, read_behaviour
from mindeye.data.peers.nsdgeneral import (
    UNKNOWN,
    require_voxels,
    settings_of_peer,
    unknown_voxels,
)
from mindeye.data.peers.tars import numbered_tars
from mindeye.data.prepare import Progress
from mindeye.data.protocols import DEFAULT_PROTOCOL, protocol_of
from mindeye.data.splits import SPLITS, split_images
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record

TEST_FOLDERS = {DEFAULT_PROTOCOL: "new_test", "nsd-37-avg": "test"}
IMAGES_FILE = "coco_images_224_float16.hdf5"
_ROWS_PER_BLOCK = 256


def prepare_mindeye2(
    folder: Path | str,
    *,
    subject: int,
    out: Path | str,
    sessions: Sequence[int] | None = None,
    protocol: str = DEFAULT_PROTOCOL,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Prepares one subject of MindEye2's files; whole or not at all.

    Args:
        sessions: whose training trials to take, as in "1 hour of data"; the test is always whole.
        seed: chooses the validation images.

    Raises:
        FileNotFoundError: a file or a session is missing.
        LookupError: no such subject, or a protocol whose test was not published.
        ValueError: damaged files, pickles, voxels of another subject, an image in two splits, or
            `out` holds something else.
    """
    name, folder = layout.subject_name(subject), Path(folder)
    if protocol not in TEST_FOLDERS:
        raise LookupError(
            f"MindEye2 published no test for `{protocol}`. Pick one of {', '.join(TEST_FOLDERS)}."
        )
    tars = numbered_tars(folder / "wds" / name / "train")
    tests = numbered_tars(folder / "wds" / name / TEST_FOLDERS[protocol])
    own, shared = read_behaviour(tars, subject), read_behaviour(tests, subject)
    chosen = _sessions(own, subject, protocol, sessions, len(tars))
    own = own[np.isin(own[:, COLUMNS["session"]], chosen)]
    table, is_test = in_order(
        np.concatenate([own, shared]), np.repeat([False, True], [len(own), len(shared)])
    )
    image_ids = table[:, COLUMNS["image_id"]]
    splits = split_images(image_ids, is_test, seed=seed)
    betas, pictures = folder / f"betas_all_{name}_fp32_renorm.hdf5", folder / IMAGES_FILE
    with _stored(betas, "betas") as stored:
        require_voxels(stored.shape[-1], subject, str(betas))
        _require_rows(betas, stored.shape, table[:, COLUMNS["trial"]])
    with _stored(pictures, "images") as stored:
        side = _side(pictures, stored.shape, int(image_ids.max()))
    every_session = len(chosen) == layout.SESSIONS[subject]
    settings = settings_of_peer(
        folder,
        subject,
        dataset="mindeye2",
        beta_version=UNKNOWN,
        protocol=protocol,
        sessions=list(chosen),
        seed=seed,
    )
    record = SubjectRecord(
        folder=folder,
        settings=settings,
        transductive=[] if every_session else ["zscore:all-sessions"],
        splits=splits,
        num_trials=len(table),
        num_voxels=layout.NSDGENERAL_VOXELS[subject],
        side=side,
        trials=partial(_trials, betas, table, splits),
        pictures=partial(_pictures, pictures),
        bundle=partial(unknown_voxels, settings),
        files={
            path.relative_to(folder).as_posix(): path for path in (*tars, *tests, betas, pictures)
        },
    )
    return write_record(Path(out), record, progress)


def _sessions(
    table: Int[np.ndarray, "trials 17"],
    subject: int,
    protocol: str,
    asked: Sequence[int] | None,
    num_tars: int,
) -> tuple[int, ...]:
    there = tuple(np.unique(table[:, COLUMNS["session"]]).tolist())
    wanted = None if asked is None else tuple(sorted(int(one) for one in asked))
    if protocol == DEFAULT_PROTOCOL:
        chosen = there if wanted is None else wanted
    else:
        chosen = protocol_of(protocol).sessions(subject, wanted, there)
    absent = sorted(set(chosen) - set(there))
    if absent or not chosen:
        raise FileNotFoundError(
            f"The {num_tars} training tars hold sessions {list(there)}, not {absent or 'any'}. "
            "Fetch the missing ones, or name the sessions that you have."
        )
    return chosen


def _trials(
    path: Path, table: Int[np.ndarray, "trials 17"], splits: dict[str, np.ndarray]
) -> Iterator[TrialRecord]:
    split_of = {image_id: split for split in SPLITS for image_id in splits[split].tolist()}
    shown: dict[int, int] = {}
    with _stored(path, "betas") as stored:
        for start in range(0, len(table), _ROWS_PER_BLOCK):
            block = table[start : start + _ROWS_PER_BLOCK]
            for row, betas in zip(block, _rows(stored, block[:, COLUMNS["trial"]])):
                entry = {name: int(row[column]) for name, column in COLUMNS.items()}
                if not np.isfinite(betas).all():
                    raise ValueError(
                        f"{path}: row {entry['trial']} holds NaN or infinity. Fetch it again."
                    )
                image_id = entry["image_id"]
                repeat = shown[image_id] = shown.get(image_id, -1) + 1
                del entry["subject"]
                yield TrialRecord(split_of[image_id], betas, repeat=repeat, **entry)


def _rows(stored: h5py.Dataset, rows: Int[np.ndarray, "trials"]) -> Iterator[np.ndarray]:
    """Ascending rows, in one piece where they lie close: h5py's list selection is far slower."""
    if rows[-1] - rows[0] < 4 * _ROWS_PER_BLOCK:
        piece = stored[int(rows[0]) : int(rows[-1]) + 1]
        yield from piece[rows - rows[0]]
    else:
        for row in rows.tolist():
            yield stored[row]


def _pictures(
    path: Path, image_ids: Int[np.ndarray, "images"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "side side 3"]]]:
    with _stored(path, "images") as stored:
        for row, image_id in enumerate(image_ids.tolist()):
            picture = stored[image_id].astype(np.float32)
            # Also false for NaN; a picture that was never written is all zero.
            if not (picture.min() >= 0 and 0 < picture.max() <= 1):
                raise ValueError(
                    f"{path}: image {image_id} runs from {picture.min():.3g} to "
                    f"{picture.max():.3g}, not within 0 to 1. Was the file written to its end?"
                )
            yield row, np.rint(picture.transpose(1, 2, 0) * 255).astype(np.uint8)


def _require_rows(path: Path, shape: tuple[int, ...], rows: Int[np.ndarray, "trials"]) -> None:
    if len(shape) != 2 or rows.min() < 0 or rows.max() >= shape[0]:
        raise ValueError(
            f"{path}: `betas` is {shape}, but the tables name rows {rows.min()} to {rows.max()}. "
            "Do the files belong to one subject and release?"
        )


def _side(path: Path, shape: tuple[int, ...], last: int) -> int:
    if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or shape[0] <= last:
        raise ValueError(
            f"{path}: `images` is {shape}, but (images, 3, side, side) with image {last} is "
            "needed. Is this the published file?"
        )
    return shape[2]


@contextlib.contextmanager
def _stored(path: Path, name: str) -> Iterator[h5py.Dataset]:
    """One data set of an HDF5 file, if it holds numbers."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch it from where MindEye2 published it.")
    try:
        with h5py.File(path, "r") as file:
            if name not in file or file[name].dtype.kind != "f":
                raise KeyError(f"it has {list(file)} and no floating-point data set `{name}`")
            yield file[name]
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error

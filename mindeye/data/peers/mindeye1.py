"""MindEye1's published webdataset tars -> a prepared folder.

Of each image: `jpg`, `nsdgeneral.npy` [3, V] (its repeats, z-scored), `coco73k.npy` (image id),
`num_uniques.npy` (how many of the three repeats are real). `wholebrain_3d.npy` is not read, nor is
`trial.npy`: from where its numbers count was never said. Trials are numbered here in the order of
the files, and sessions and runs are 0.

Betas are b3 of the first 37 sessions, z-scored within sessions; whether the test was a part of
that was never published, and the manifest flags it.

Source: MedARC-AI/fMRI-reconstruction-NSD, `src/Train_MindEye.py`, `src/utils.py`, issue #33.
"""

import io
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, UnidentifiedImageError

from mindeye import nsd_layout as layout
from mindeye.data.peers.nsdgeneral import (
    require_voxels,
    settings_of_peer,
    unknown_voxels,
)
from mindeye.data.peers.tars import array_of, numbered_tars, samples_of, whole_number
from mindeye.data.prepare import Progress
from mindeye.data.protocols import protocol_of
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record

PROTOCOL = "nsd-37-avg"
PUBLISHED_FOLDER = "webdataset_avg_split"
SPLIT_OF = {"train": "train", "val": "validation", "test": "test"}
"""Published name -> ours. MindEye1's final models were trained on `val` too."""


def prepare_mindeye1(
    folder: Path | str, *, subject: int, out: Path | str, progress: Progress | None = None
) -> Path:
    """Prepares one subject of MindEye1's files; whole or not at all.

    Args:
        folder: the one that holds train, val and test, or `webdataset_avg_split` above them.

    Raises:
        FileNotFoundError: a tar is missing.
        LookupError: no such subject.
        ValueError: damaged files, pickles, voxels of another subject, an image in two splits, or
            `out` holds something else.
    """
    name, folder = layout.subject_name(subject), Path(folder)
    if (folder / PUBLISHED_FOLDER).is_dir():
        folder = folder / PUBLISHED_FOLDER
    tars = {part: numbered_tars(folder / part, f"{part}_{name}_") for part in SPLIT_OF}
    counts = {part: _counts(tars[part]) for part in SPLIT_OF}
    side = _picture_side(tars["train"][0])
    settings = settings_of_peer(
        folder,
        subject,
        dataset="mindeye1",
        beta_version="b3",
        protocol=PROTOCOL,
        sessions=list(protocol_of(PROTOCOL).sessions(subject, None, ())),
        seed=0,
    )
    record = SubjectRecord(
        folder=folder,
        settings=settings,
        transductive=["zscore:unknown"],
        splits={SPLIT_OF[part]: np.array(sorted(counts[part])) for part in SPLIT_OF},
        num_trials=sum(sum(one.values()) for one in counts.values()),
        num_voxels=layout.NSDGENERAL_VOXELS[subject],
        side=side,
        trials=partial(_trials, tars, subject),
        pictures=partial(_pictures, tars, side),
        bundle=partial(unknown_voxels, settings),
        files={f"{part}/{path.name}": path for part in SPLIT_OF for path in tars[part]},
    )
    return write_record(Path(out), record, progress)


def real_repeats(
    betas: Float[np.ndarray, "repeats voxels"], num_real: int, where: str
) -> Float[np.ndarray, "_ voxels"]:
    """Undoes the padding: the rows that differ from all before them, without empty ones.

    Raises:
        ValueError: not as many as the file promises, or a real one is not finite.
    """
    rows: list[np.ndarray] = []
    for row in betas:
        empty = np.isnan(row).all() or not row.any()
        if not empty and not any(np.array_equal(row, other) for other in rows):
            rows.append(row)
    if len(rows) != num_real:
        raise ValueError(
            f"{where}: {len(rows)} of {len(betas)} repeats differ from each other, but num_uniques "
            f"says {num_real}. Fetch the tar again."
        )
    found = np.stack(rows)
    if not np.isfinite(found).all():
        raise ValueError(f"{where}: betas hold NaN or infinity. Fetch the tar again.")
    return found


def _counts(paths: list[Path]) -> dict[int, int]:
    """Image id -> its real repeats."""
    counts: dict[int, int] = {}
    for path in paths:
        for where, sample in samples_of(path, ("coco73k.npy", "num_uniques.npy")):
            image_id = _image_id(sample, where)
            if image_id in counts:
                raise ValueError(
                    f"{where}: image {image_id} stands twice. Is a tar there under two names?"
                )
            counts[image_id] = _num_real(sample, where)
    return counts


def _image_id(sample: Mapping[str, bytes], where: str) -> int:
    image_id = whole_number(array_of(sample, "coco73k.npy", where), "coco73k.npy", where)
    if not 0 <= image_id < layout.NUM_IMAGES:
        raise ValueError(
            f"{where}: image id {image_id}, but NSD's run from 0 to {layout.NUM_IMAGES - 1}. "
            "Is this the published file?"
        )
    return image_id


def _num_real(sample: Mapping[str, bytes], where: str) -> int:
    return whole_number(array_of(sample, "num_uniques.npy", where), "num_uniques.npy", where)


def _trials(tars: dict[str, list[Path]], subject: int) -> Iterator[TrialRecord]:
    names, trial = ("nsdgeneral.npy", "coco73k.npy", "num_uniques.npy"), 0
    for part, split in SPLIT_OF.items():
        for path in tars[part]:
            for where, sample in samples_of(path, names):
                betas = array_of(sample, "nsdgeneral.npy", where)
                if betas.ndim != 2 or len(betas) != layout.REPEATS_PER_IMAGE:
                    raise ValueError(
                        f"{where}: nsdgeneral.npy has shape {betas.shape}, but (3, voxels) is "
                        "needed. Is this the published file?"
                    )
                require_voxels(betas.shape[1], subject, where)
                rows = real_repeats(betas, _num_real(sample, where), where)
                image_id = _image_id(sample, where)
                for repeat, row in enumerate(rows):
                    yield TrialRecord(split, row, image_id, 0, 0, trial, repeat)
                    trial += 1


def _pictures(
    tars: dict[str, list[Path]], side: int, image_ids: Int[np.ndarray, "images"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "side side 3"]]]:
    for part in SPLIT_OF:
        for path in tars[part]:
            for where, sample in samples_of(path, ("jpg", "coco73k.npy")):
                picture = _picture(sample, where)
                if picture.shape != (side, side, 3):
                    raise ValueError(
                        f"{where}: a picture of {picture.shape[:2]}, but others are "
                        f"{(side, side)}. Is this the published file?"
                    )
                yield int(np.searchsorted(image_ids, _image_id(sample, where))), picture


def _picture_side(path: Path) -> int:
    where, sample = next(samples_of(path, ("jpg",)), (str(path), None))
    if sample is None:
        raise ValueError(f"{path} holds no sample. Fetch it again.")
    return len(_picture(sample, where))


def _picture(sample: Mapping[str, bytes], where: str) -> UInt8[np.ndarray, "height width 3"]:
    try:
        with Image.open(io.BytesIO(sample["jpg"])) as picture:
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{where}: jpg cannot be read ({error}). Fetch the tar again.") from error

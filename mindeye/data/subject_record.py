"""One subject of any published data set: the record that all reduce to, and its prepared folder.

A reader (of what a peer published, or of another data set than NSD) finds and counts everything,
fills a `SubjectRecord`, and `write_record` does the rest. NSD's own trees have a road of their own,
`mindeye.data.prepare`, which writes the same format.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

import mindeye
from mindeye.data.batches import IMAGE_NAMES, MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.prepare import Progress, written_files
from mindeye.data.request import require_same_settings
from mindeye.data.shards import ShardWriter
from mindeye.data.sources import require_known_files
from mindeye.data.splits import SPLITS, require_disjoint
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, fingerprint_of, write_json

_TAR_BYTES_PER_TRIAL = 3 * 1024


class TrialRecord(NamedTuple):
    """One presentation; session and run count from 1 and are 0 where they were not published."""

    split: str
    betas: Float[np.ndarray, "voxels"]
    """As they are to be trained on: the reader has z-scored them, or says that nobody has."""
    image_id: int
    session: int
    run: int
    trial: int
    """Position in the whole experiment, from 0."""
    repeat: int
    """How often the image had been shown before."""


class SubjectRecord(NamedTuple):
    """All of one subject, found and counted before anything is written."""

    folder: Path
    """Where it was found, for messages."""
    settings: Mapping
    """What decides the contents, as it stands in the manifest: dataset, subject, space, roi,
    beta_version, zscore, protocol, sessions, seed and simulated; of other data sets than NSD also
    `picture_set`, within which an image name means one picture, and `units` of the betas."""
    transductive: list[str]
    """Each step that saw the test, as `step:scope`."""
    splits: dict[str, Int[np.ndarray, "_"]]
    """Ascending image ids."""
    num_trials: int
    num_voxels: int
    side: int
    """Of the pictures, in pixels."""
    trials: Callable[[], Iterator[TrialRecord]]
    pictures: Callable[[Int[np.ndarray, "images"]], Iterator[tuple[int, np.ndarray]]]
    """Ascending image ids -> (row, picture), in any order."""
    bundle: Callable[[], VoxelBundle]
    """Called after the last trial: it may hold what was counted on the way."""
    files: dict[str, Path]
    """Name -> file, of everything that was read."""
    image_names: Mapping[int, str] | None = None
    """Image id -> name in the data set's own tables; None: these are NSD's ids and repeats."""


def write_record(out: Path, record: SubjectRecord, progress: Progress | None) -> Path:
    """Writes a prepared folder, whole or not at all; returns at once if it is there.

    Raises:
        ValueError: an image in two splits, a trial that half precision cannot hold, or `out` holds
            something else.
        OSError: the disk is too small.
    """
    require_disjoint(record.splits)
    sources = {name: fingerprint_of(path) for name, path in sorted(record.files.items())}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        manifest = require_same_settings(out, dict(record.settings))
        require_known_files(
            out, f"download than {record.folder}", manifest.get("sources", {}), sources
        )
        return out
    image_ids = _all_ids(record)
    needed = record.num_trials * (2 * record.num_voxels + _TAR_BYTES_PER_TRIAL)
    needed += len(image_ids) * 3 * record.side**2
    require_free_space(out.parent, needed, f"Preparing subject {record.settings['subject']}")
    report = progress or (lambda stage, done, total: None)
    with atomic_folder(out) as folder:
        splits = _write_trials(folder, record, report)
        _write_pictures(folder, record, image_ids, report)
        bundle = record.bundle()
        bundle.save(folder / "bundle")
        write_json(folder / MANIFEST, _manifest(folder, record, splits, bundle, sources))
    return out


def _manifest(
    folder: Path,
    record: SubjectRecord,
    splits: dict[str, dict],
    bundle: VoxelBundle,
    sources: dict[str, str],
) -> dict:
    return {
        "schema": SCHEMA,
        **record.settings,
        "num_voxels": record.num_voxels,
        "voxel_hash": bundle.voxel_hash,
        "transductive": record.transductive,
        "splits": splits,
        **written_files(folder),
        "sources": sources,
        "mindeye_version": mindeye.__version__,
    }


def _all_ids(record: SubjectRecord) -> Int[np.ndarray, "images"]:
    return np.unique(np.concatenate(list(record.splits.values())))


def _write_trials(
    folder: Path, record: SubjectRecord, report: Progress
) -> dict[str, dict[str, Any]]:
    """Writes the shards; what the manifest says of each split."""
    shards, repeats = (
        {split: ShardWriter(folder, split) for split in SPLITS},
        dict.fromkeys(SPLITS, 1),
    )
    for done, trial in enumerate(record.trials(), start=1):
        _require_half_precision(trial, record.folder)
        entry = trial._asdict()
        split, betas = entry.pop("split"), entry.pop("betas")
        shards[split].write(betas, subject=record.settings["subject"], **entry)
        repeats[split] = max(repeats[split], trial.repeat + 1)
        report("trials", done, record.num_trials)
    for writer in shards.values():
        writer.close()
    is_nsd = record.image_names is None
    return {
        split: {
            "shards": writer.names,
            "num_trials": writer.num_trials,
            "num_images": len(record.splits[split]),
            **({} if is_nsd else {"repeats_per_image": repeats[split]}),
        }
        for split, writer in shards.items()
    }


def _require_half_precision(trial: TrialRecord, place: Path) -> None:
    with np.errstate(over="ignore"):
        if not np.isfinite(trial.betas.astype(np.float16)).all():
            raise ValueError(
                f"Trial {trial.trial} of {place} reaches {np.abs(trial.betas).max():.3g}, but half "
                "precision ends at 65504. In which units are these betas?"
            )


def _write_pictures(
    folder: Path, record: SubjectRecord, image_ids: Int[np.ndarray, "images"], report: Progress
) -> None:
    np.save(folder / "image_ids.npy", image_ids, allow_pickle=False)
    if record.image_names is not None:
        names = {str(image_id): record.image_names[image_id] for image_id in image_ids.tolist()}
        write_json(folder / IMAGE_NAMES, names)
    pictures: UInt8[np.ndarray, images] = np.lib.format.open_memmap(
        folder / "images.npy", "w+", np.uint8, (len(image_ids), record.side, record.side, 3)
    )
    for done, (row, picture) in enumerate(record.pictures(image_ids), start=1):
        pictures[row] = picture
        report("images", done, len(image_ids))
    pictures.flush()

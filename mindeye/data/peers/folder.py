"""What a peer published of one subject -> a prepared folder, as from an NSD tree."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

import mindeye
from mindeye import nsd_layout as layout
from mindeye.data.batches import MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.prepare import Progress, written_files
from mindeye.data.request import require_same_settings
from mindeye.data.shards import ShardWriter
from mindeye.data.sources import require_known_files
from mindeye.data.splits import SPLITS, require_disjoint
from mindeye.data.unknown_voxels import bundle_of_unknown_voxels
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, fingerprint_of, read_json, write_json

UNKNOWN = "unknown"
_TAR_BYTES_PER_TRIAL = 3 * 1024


class PeerTrial(NamedTuple):
    """One presentation; session and run are 0 where they were not published."""

    split: str
    betas: Float[np.ndarray, "voxels"]
    image_id: int
    session: int
    run: int
    trial: int
    repeat: int


class PeerData(NamedTuple):
    """All of one subject, found and counted before anything is written."""

    folder: Path
    settings: Mapping
    """As in the manifest: dataset, subject, protocol, sessions and so on."""
    transductive: list[str]
    splits: dict[str, Int[np.ndarray, "_"]]
    """Ascending image ids."""
    num_trials: int
    side: int
    """Of the pictures, in pixels."""
    trials: Callable[[], Iterator[PeerTrial]]
    pictures: Callable[[Int[np.ndarray, "images"]], Iterator[tuple[int, np.ndarray]]]
    """Ascending image ids -> (row, picture), in any order."""
    files: dict[str, Path]
    """Name -> file, of everything that was read."""


def write_peer_folder(out: Path, data: PeerData, progress: Progress | None) -> Path:
    """Writes a prepared folder, whole or not at all; returns at once if it is there.

    Raises:
        ValueError: an image in two splits, or `out` holds something else.
        OSError: the disk is too small.
    """
    require_disjoint(data.splits)
    sources = {name: fingerprint_of(path) for name, path in sorted(data.files.items())}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        manifest = require_same_settings(out, dict(data.settings))
        require_known_files(
            out, f"download than {data.folder}", manifest.get("sources", {}), sources
        )
        return out
    subject = data.settings["subject"]
    num_voxels, image_ids = layout.NSDGENERAL_VOXELS[subject], _all_ids(data)
    needed = data.num_trials * (2 * num_voxels + _TAR_BYTES_PER_TRIAL)
    needed += len(image_ids) * 3 * data.side**2
    require_free_space(out.parent, needed, f"Preparing subject {subject}")
    report = progress or (lambda stage, done, total: None)
    with atomic_folder(out) as folder:
        shards = _write_trials(folder, data, report)
        _write_pictures(folder, data, image_ids, report)
        bundle = unknown_voxels(data.settings)
        bundle.save(folder / "bundle")
        manifest = {
            "schema": SCHEMA,
            **data.settings,
            "num_voxels": num_voxels,
            "voxel_hash": bundle.voxel_hash,
            "transductive": data.transductive,
            "splits": {
                split: {
                    "shards": shards[split].names,
                    "num_trials": shards[split].num_trials,
                    "num_images": len(data.splits[split]),
                }
                for split in SPLITS
            },
            **written_files(folder),
            "sources": sources,
            "mindeye_version": mindeye.__version__,
        }
        write_json(folder / MANIFEST, manifest)
    return out


def settings_of_peer(folder: Path, subject: int, **settings) -> dict:
    """What the manifest says besides: a toy that was made up carries NSD's SIMULATED.json too."""
    marker = folder / layout.SIMULATED_FILE
    return {
        "subject": subject,
        "space": layout.SPACE,
        "roi": "nsdgeneral",
        "zscore": UNKNOWN,
        **settings,
        "simulated": read_json(marker) if marker.exists() else None,
    }


def require_voxels(num_voxels: int, subject: int, where: str) -> None:
    """Refuses betas that are not those of NSD's nsdgeneral.

    Raises:
        ValueError: names whose voxels they may be.
    """
    expected = layout.NSDGENERAL_VOXELS[subject]
    if num_voxels != expected:
        others = [one for one, count in layout.NSDGENERAL_VOXELS.items() if count == num_voxels]
        guess = f"Those of subject {others[0]}?" if others else "Is it another ROI?"
        raise ValueError(
            f"{where}: {num_voxels} voxels, but nsdgeneral of subject {subject} has {expected}. "
            f"{guess}"
        )


def unknown_voxels(settings: Mapping) -> VoxelBundle:
    """Says how many voxels there are, and plainly that coordinates and statistics are unknown."""
    return bundle_of_unknown_voxels(
        layout.NSDGENERAL_VOXELS[settings["subject"]],
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        provenance={
            "mask": f"{settings['dataset']} was published without coordinates, means and standard "
            "deviations. There are as many voxels as in NSD's nsdgeneral, so they are probably "
            "those, in C order of the (x, y, z) mask.",
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    )


def _all_ids(data: PeerData) -> Int[np.ndarray, "images"]:
    return np.unique(np.concatenate(list(data.splits.values())))


def _write_trials(folder: Path, data: PeerData, report: Progress) -> dict[str, ShardWriter]:
    shards = {split: ShardWriter(folder, split) for split in SPLITS}
    for done, trial in enumerate(data.trials(), start=1):
        entry = trial._asdict()
        shards[entry.pop("split")].write(
            entry.pop("betas"), subject=data.settings["subject"], **entry
        )
        report("trials", done, data.num_trials)
    for writer in shards.values():
        writer.close()
    return shards


def _write_pictures(
    folder: Path, data: PeerData, image_ids: Int[np.ndarray, "images"], report: Progress
) -> None:
    np.save(folder / "image_ids.npy", image_ids, allow_pickle=False)
    pictures: UInt8[np.ndarray, images] = np.lib.format.open_memmap(
        folder / "images.npy", "w+", np.uint8, (len(image_ids), data.side, data.side, 3)
    )
    for done, (row, picture) in enumerate(data.pictures(image_ids), start=1):
        pictures[row] = picture
        report("images", done, len(image_ids))
    pictures.flush()

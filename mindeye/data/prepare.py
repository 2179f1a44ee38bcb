"""An NSD tree -> one prepared folder: shards, voxel bundle, pictures, manifest."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

import mindeye
from mindeye.data.batches import MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.nsd import SOURCES, NSDTree
from mindeye.data.nsd_bundle import voxels_of_tree
from mindeye.data.protocols import DEFAULT_PROTOCOL, transductive_steps
from mindeye.data.request import Request, require_same_settings, resolve, settings_of
from mindeye.data.session_trials import num_train_trials, write_trials
from mindeye.data.shards import ShardWriter
from mindeye.data.sources import require_same_sources, sources_of
from mindeye.data.splits import VALIDATION_SHARE
from mindeye.data.stimuli import image_blocks, picture_shape
from mindeye.data.zscore import Statistics
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, sha256_of, write_json

_TAR_BYTES_PER_TRIAL = 3 * 1024

Progress = Callable[[str, int, int], None]
"""Called with stage (`statistics`, `trials`, `images`), how many are done, how many there are."""


def prepare_nsd(
    root: Path | str,
    *,
    subject: int,
    out: Path | str,
    roi: str = "nsdgeneral",
    sessions: Sequence[int] | None = None,
    beta_version: str = "b3",
    source: str = "auto",
    zscore: str = "session-train",
    protocol: str = DEFAULT_PROTOCOL,
    validation_share: float = VALIDATION_SHARE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Prepares one subject for training; whole or not at all.

    Returns at once if `out` was prepared from the same tree with the same settings. `source` is
    no setting: hdf5 and nii.gz give the same bytes. `seed` chooses the validation images.

    Args:
        sessions: which ones; None takes 1 up to the last that is there, or as the protocol says.
        zscore: whose mean and standard deviation (ddof 1) to use in each session: those of its
            training trials (`session-train`), of all its trials (`session-all`, sees the test), of
            the training trials of all sessions together (`train-global`), or `none`: betas stay
            in percent signal change. A session that is for the test alone has no training trials:
            `session-train` takes its trials of training images, and the manifest says so.
        protocol: a name in `mindeye.data.protocols.PROTOCOLS`.
        validation_share: of the images that are not the test; 0 gives no validation.

    Raises:
        FileNotFoundError: no tree, or a part of it is missing.
        LookupError: unknown subject, session, label, scope, protocol or version.
        ValueError: damaged or contradicting files, sessions that the protocol does not take, or
            `out` was prepared with other settings or from another tree.
        OSError: the disk is too small.
    """
    out, tree = Path(out), NSDTree(root)
    settings = settings_of(tree, subject, roi, sessions, beta_version, zscore, seed, protocol)
    if source not in SOURCES:
        raise LookupError(f"Unknown source `{source}`. Pick one of {', '.join(SOURCES)}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        wanted = {**settings, "validation_share": validation_share}
        require_same_sources(out, tree, require_same_settings(out, wanted))
        return out
    chosen = resolve(tree, settings, source, validation_share)
    num_trials = sum(len(chosen.design.trials_of(session)) for session in settings["sessions"])
    _require_room(out, chosen, num_trials)

    def report(stage: str, done: int) -> None:
        if progress:
            progress(stage, done, len(chosen.image_ids) if stage == "images" else num_trials)

    with atomic_folder(out) as folder:
        shards, statistics = write_trials(folder, chosen, report)
        _write_bundle(folder / "bundle", chosen, statistics)
        _write_images(folder, chosen, report)
        write_json(
            folder / MANIFEST, _manifest(folder, chosen, shards, statistics, validation_share)
        )
    return out


def _require_room(out: Path, chosen: Request, num_trials: int) -> None:
    """Refuses a disk that cannot hold the shards and the pictures."""
    needed = num_trials * (2 * int(chosen.mask.sum()) + _TAR_BYTES_PER_TRIAL)
    needed += len(chosen.image_ids) * math.prod(picture_shape(chosen.tree.stimuli_path()))
    require_free_space(out.parent, needed, f"Preparing subject {chosen.settings['subject']}")


def _write_bundle(folder: Path, chosen: Request, statistics: dict[int, Statistics]) -> None:
    settings = chosen.settings
    mean = np.stack([one.mean for one in statistics.values()])
    num_train = [num_train_trials(chosen, session) for session in statistics]
    train_ids = np.ascontiguousarray(chosen.splits["train"], dtype="<i8").tobytes()
    VoxelBundle(
        **voxels_of_tree(chosen.tree, settings, chosen.mask),
        sessions=tuple(statistics),
        mean=mean,
        std=np.stack([one.std for one in statistics.values()]),
        mean_map=np.average(mean, axis=0, weights=num_train).astype(np.float32),
        provenance={
            "num_train_trials": int(sum(num_train)),
            "train_image_ids_sha256": hashlib.sha256(train_ids).hexdigest(),
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    ).save(folder)


def _write_images(folder: Path, chosen: Request, report: Callable[[str, int], None]) -> None:
    """Pictures block by block, their ids, and captions where the tree has them."""
    image_ids, done = chosen.image_ids, 0
    for count in write_pictures(
        folder, image_ids, image_blocks(chosen.tree.stimuli_path(), image_ids)
    ):
        done += count
        report("images", done)
    captions = chosen.tree.captions(image_ids.tolist())
    if captions:
        write_json(folder / "captions.json", captions)


def write_pictures(
    folder: Path,
    image_ids: Int[np.ndarray, "images"],
    blocks: Iterable[UInt8[np.ndarray, "block side side 3"]],
) -> Iterator[int]:
    """Writes image_ids.npy and images.npy; yields the size of each block once it is written."""
    np.save(folder / "image_ids.npy", image_ids, allow_pickle=False)
    with (folder / "images.npy").open("wb") as stream:
        for number, block in enumerate(blocks):
            if not number:
                shape = (len(image_ids), *block.shape[1:])
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
            stream.write(np.ascontiguousarray(block).data)
            yield len(block)


def _manifest(
    folder: Path,
    chosen: Request,
    shards: dict[str, ShardWriter],
    statistics: dict[int, Statistics],
    validation_share: float,
) -> dict:
    settings = chosen.settings
    return {
        "schema": SCHEMA,
        "dataset": "nsd",
        **settings,
        "num_voxels": int(chosen.mask.sum()),
        "voxel_hash": VoxelBundle.load(folder / "bundle").voxel_hash,
        "transductive": transductive_steps(settings["protocol"], settings["zscore"]),
        "validation_share": validation_share,
        "unusable_voxels": {
            str(session): int((~one.usable).sum()) for session, one in statistics.items()
        },
        "splits": {
            split: {
                "shards": writer.names,
                "num_trials": writer.num_trials,
                "num_images": len(chosen.splits[split]),
            }
            for split, writer in shards.items()
        },
        **written_files(folder),
        "sources": sources_of(chosen.tree, settings),
        "mindeye_version": mindeye.__version__,
    }


def written_files(folder: Path) -> dict[str, dict]:
    """SHA-256 and size of every file so far, as they stand in a manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        "files": {name: sha256_of(path) for name, path in names.items()},
        "sizes": {name: path.stat().st_size for name, path in names.items()},
    }

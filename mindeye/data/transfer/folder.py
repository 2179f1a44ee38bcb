"""Writes what was read of an experiment that only tests: shards, bundle, names, manifest."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

import mindeye
from mindeye.data.batches import MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_bundle import voxels_of_tree
from mindeye.data.prepare import Progress, write_pictures, written_files
from mindeye.data.shards import ShardWriter
from mindeye.data.splits import SPLITS
from mindeye.data.transfer.trials import EXPERIMENT_OF, Stimulus, TransferTrials
from mindeye.data.zscore import Statistics
from mindeye.files import write_json

NAMES = "names.tsv"


class TransferRead(NamedTuple):
    """One session by its settings, ready to be written."""

    tree: NSDTree
    settings: dict
    mask: Bool[np.ndarray, "x y z"]
    trials: TransferTrials
    betas: Float32[np.ndarray, "trials voxels"]
    """Of the trials, by the scope."""
    raw_mean: Float32[np.ndarray, "voxels"]
    """Of the trials, in percent."""
    statistics: dict[str, Statistics]
    sources: dict[str, str]
    """Files of the tree -> fingerprints."""


def write_transfer(folder: Path, read: TransferRead, report: Progress) -> None:
    """All files, the manifest last."""
    images, num_trials = len(read.trials.stimuli), len(read.trials.rows)
    shards = _write_shards(folder, read)
    report("trials", num_trials, num_trials)
    _write_bundle(folder / "bundle", read)
    ids = np.array([one.image_id for one in read.trials.stimuli])
    for _ in write_pictures(folder, ids, [read.trials.pictures]):
        report("images", images, images)
    _write_names(folder / NAMES, read.trials.stimuli)
    write_json(folder / MANIFEST, _manifest(folder, read, shards))


def _write_shards(folder: Path, read: TransferRead) -> dict[str, ShardWriter]:
    shards = {split: ShardWriter(folder, split) for split in SPLITS}
    trials = read.trials
    columns = (trials.rows, trials.image_ids, trials.runs, trials.repeats())
    for betas, row, image_id, run, repeat in zip(read.betas, *columns, strict=True):
        shards["test"].write(
            betas,
            image_id=int(image_id),
            subject=read.settings["subject"],
            session=1,
            run=int(run),
            trial=int(row),
            repeat=int(repeat),
        )
    for writer in shards.values():
        writer.close()
    return shards


def _write_bundle(folder: Path, read: TransferRead) -> None:
    settings = read.settings
    found = read.statistics
    VoxelBundle(
        **voxels_of_tree(read.tree, settings, read.mask),
        sessions=(1,) * len(found),
        mean=np.stack([one.mean for one in found.values()]),
        std=np.stack([one.std for one in found.values()]),
        mean_map=read.raw_mean,
        provenance={
            "num_train_trials": 0,
            "mean_and_std_of": list(found),
            "mean_map_of": "the test trials",
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    ).save(folder)


def _write_names(path: Path, stimuli: tuple[Stimulus, ...]) -> None:
    """What each image id stands for; the 73k id (from 0) where NSD showed the picture too."""
    lines = ["image_id\tname\tnsd_image_id"]
    for one in stimuli:
        twin = "" if one.nsd_image_id is None else one.nsd_image_id
        lines.append(f"{one.image_id}\t{one.name}\t{twin}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _manifest(folder: Path, read: TransferRead, shards: dict[str, ShardWriter]) -> dict:
    trials, settings = read.trials, read.settings
    zscore = settings["zscore"]
    stimuli = {str(one.image_id): one for one in trials.stimuli}
    return {
        "schema": SCHEMA,
        "dataset": EXPERIMENT_OF[settings["protocol"]],
        **settings,
        "num_voxels": int(read.mask.sum()),
        "voxel_hash": VoxelBundle.load(folder / "bundle").voxel_hash,
        "transductive": [] if zscore == "none" else [f"zscore:{zscore}"],
        "validation_share": 0,
        "repeats_per_image": int(trials.repeats().max()) + 1,
        "unusable_voxels": {
            name: int((~one.usable).sum()) for name, one in read.statistics.items()
        },
        "splits": {
            split: {
                "shards": writer.names,
                "num_trials": writer.num_trials,
                "num_images": len(stimuli) if split == "test" else 0,
            }
            for split, writer in shards.items()
        },
        "pictures": trials.how,
        "left_out": trials.left_out,
        "stimuli": {key: one.name for key, one in stimuli.items()},
        "nsd_images": {
            key: one.nsd_image_id for key, one in stimuli.items() if one.nsd_image_id is not None
        },
        **written_files(folder),
        "sources": read.sources,
        "mindeye_version": mindeye.__version__,
    }

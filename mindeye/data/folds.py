"""A recording -> one prepared folder for each fold, in the format of `prepare_nsd`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

import mindeye
from mindeye.data.batches import MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.prepare import written_files
from mindeye.data.recordings import Recording, drawn_figures
from mindeye.data.request import require_same_settings
from mindeye.data.shards import ShardWriter
from mindeye.data.zscore import Statistics, require_usable, statistics_of, zscored
from mindeye.files import atomic_folder, write_json

SUBJECT = 1
BY_GROUP, BY_FIGURE = "group", "figure"
FIGURE_FOLDS = 5


class Fold(NamedTuple):
    """Which trials are held out: those of one session or run, or those of a few figures."""

    by: str
    held_out: tuple[int, ...]

    def test_trials(self, recording: Recording) -> Bool[np.ndarray, "trials"]:
        """True where a trial is held out."""
        return np.isin(labels_of(recording, self.by), self.held_out)

    @property
    def name(self) -> str:
        """Such as `group-21` or `figure-00-05-10-15`."""
        return "-".join([self.by, *(f"{label:02d}" for label in self.held_out)])


def labels_of(recording: Recording, by: str) -> Int[np.ndarray, "trials"]:
    """What the folds of a protocol hold out by."""
    return recording.groups if by == BY_GROUP else recording.image_ids


def folds_of(recording: Recording, by: str) -> list[Fold]:
    """One fold for each session or run (`group`), or five folds of figures (`figure`).

    Figures that follow each other in number are of one kind, so each fold takes every fifth.
    """
    labels = np.unique(labels_of(recording, by)).tolist()
    num_folds = len(labels) if by == BY_GROUP else FIGURE_FOLDS
    return [Fold(by, tuple(labels[first::num_folds])) for first in range(num_folds)]


def prepare_fold(recording: Recording, fold: Fold, out: Path, seed: int) -> Path:
    """Writes one fold, whole or not at all; returns at once if it is there.

    The mean and standard deviation of each voxel come from all training trials of the fold
    together. Sessions that were held out have none of their own, and a session shows too few
    figures for its mean to be free of them. There are no validation trials.

    Raises:
        ValueError: `out` holds something else, or voxels are constant.
    """
    settings = _settings(recording, fold, seed)
    if out.exists() and any(out.iterdir()):
        require_same_settings(out, settings)
        return out
    is_test = fold.test_trials(recording)
    statistics = statistics_of(recording.betas, ~is_test)
    require_usable(statistics, f"{recording.name}, {settings['protocol']}")
    betas = zscored(recording.betas, statistics)
    members = {"train": ~is_test, "validation": np.zeros_like(is_test), "test": is_test}
    with atomic_folder(out) as folder:
        shards = {
            split: _write_split(folder, split, recording, betas, np.flatnonzero(chosen))
            for split, chosen in members.items()
        }
        bundle = _bundle(recording, settings, statistics)
        bundle.save(folder / "bundle")
        np.save(folder / "image_ids.npy", np.arange(len(recording.figures)), allow_pickle=False)
        np.save(folder / "images.npy", drawn_figures(recording.figures), allow_pickle=False)
        manifest = {
            "schema": SCHEMA,
            **settings,
            "num_voxels": bundle.num_voxels,
            "voxel_hash": bundle.voxel_hash,
            "transductive": [],
            "repeats_per_image": int(recording.repeats.max()) + 1,
            "splits": {
                split: {
                    "shards": writer.names,
                    "num_trials": writer.num_trials,
                    "num_images": len(np.unique(recording.image_ids[members[split]])),
                }
                for split, writer in shards.items()
            },
            **written_files(folder),
            "mindeye_version": mindeye.__version__,
        }
        write_json(folder / MANIFEST, manifest)
    return out


def _settings(recording: Recording, fold: Fold, seed: int) -> dict:
    kind = recording.facts.group if fold.by == BY_GROUP else "figure"
    held_out = ", ".join(str(label) for label in fold.held_out)
    return {
        "dataset": recording.name,
        "subject": SUBJECT,
        "space": recording.space,
        "beta_version": "as published",
        "roi": "as published",
        "protocol": f"test: {kind} {held_out}; train: all others",
        "zscore": "fold-train",
        "sessions": np.unique(recording.groups).tolist(),
        "seed": seed,
        "simulated": None,
    }


def _write_split(
    folder: Path,
    split: str,
    recording: Recording,
    betas: Float32[np.ndarray, "trials voxels"],
    trials: np.ndarray,
) -> ShardWriter:
    writer, repeats = ShardWriter(folder, split), recording.repeats
    for trial in trials.tolist():
        writer.write(
            betas[trial],
            image_id=int(recording.image_ids[trial]),
            subject=SUBJECT,
            session=int(recording.groups[trial]),
            run=1,
            trial=trial,
            repeat=int(repeats[trial]),
        )
    writer.close()
    return writer


def _bundle(recording: Recording, settings: dict, statistics: Statistics) -> VoxelBundle:
    sessions = tuple(settings["sessions"])
    return VoxelBundle(
        subject=SUBJECT,
        space=recording.space,
        roi=settings["roi"],
        beta_version=settings["beta_version"],
        zscore=settings["zscore"],
        sessions=sessions,
        shape=None,
        affine=None,
        coordinates=None,
        # The same for every session: see `prepare_fold`.
        mean=np.tile(statistics.mean, (len(sessions), 1)),
        std=np.tile(statistics.std, (len(sessions), 1)),
        mean_map=statistics.mean,
        ncsnr=np.full(len(statistics.mean), np.nan, dtype=np.float32),
        label_of_voxel={},
        label_names={},
        provenance={"recording": recording.name, "sha256": recording.sha256},
    )

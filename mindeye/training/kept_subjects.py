"""Subjects of the run that a training starts from, who stay in the decoder beside its own."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mindeye.data.batches import PreparedSubject
from mindeye.data.bundle import VoxelBundle
from mindeye.models.architecture import read_architecture
from mindeye.models.decoder import Decoder
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig


def kept_subjects(config: ExperimentConfig, trained: Collection[int]) -> dict[int, int]:
    """Subject -> voxels of those whom the start knows and the training does not; {} if not asked.

    Raises:
        FileNotFoundError: `start_from` is no run.
        ValueError: it knows nobody else.
    """
    if not config.keep_subjects:
        return {}
    # First, so that a folder that is no run is told in these words.
    RunFolder(path=config.start_from).require_finished()
    known = read_architecture(config.start_from / ARCHITECTURE_FILE).num_voxels_of
    kept = {one: voxels for one, voxels in known.items() if one not in trained}
    if not kept:
        raise ValueError(
            f"`keep_subjects` is on, but all that {config.start_from} knows are trained here: "
            f"{', '.join(str(one) for one in known)}. Leave keep_subjects out."
        )
    return kept


def voxels_of(config: ExperimentConfig, prepared: Sequence[PreparedSubject]) -> dict[int, int]:
    """Subject -> voxels of all whom the decoder will know, those that are trained first."""
    trained = {one.subject: one.num_voxels for one in prepared}
    return trained | kept_subjects(config, trained)


def freeze(decoder: Decoder, subjects: Collection[int]) -> None:
    """Their ridge layers get no gradient, no decay and no room in the optimizer."""
    path = decoder.low_level_path
    for ridge in (decoder.ridge, *(() if path is None else (path.ridge,))):
        for subject in subjects:
            ridge.layers[str(subject)].requires_grad_(False)


def keep_bundles(config: ExperimentConfig, run: RunFolder, subjects: Collection[int]) -> None:
    """Copies what the start knows of their voxels: without it, no scan of theirs is decoded."""
    for subject in subjects:
        name = Path("bundle") / f"subj{subject:02d}"
        if (config.start_from / name).exists() and not (run.path / name).exists():
            VoxelBundle.load(config.start_from / name).save(run.path / name)


def data_of_kept(
    config: ExperimentConfig, trained: Collection[int]
) -> list[tuple[str, dict[str, Any]]]:
    """Folder and manifest of what each kept subject was trained on, as the start tells."""
    kept = kept_subjects(config, trained)
    if not kept:
        return []
    about = RunFolder(path=config.start_from).provenance()
    pairs = zip(about.get("paths", {}).get("data", ()), about["data"])
    return [(path, manifest) for path, manifest in pairs if manifest["subject"] in kept]

"""Folds of a recording through prepare, train and decode, beside ridge regression; resumable."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from mindeye.data.batches import PreparedSubject
from mindeye.data.folds import Fold, folds_of, prepare_fold
from mindeye.data.recordings import SIDE, Recording
from mindeye.files import load_arrays, save_arrays
from mindeye.metrics.pixels import resize
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_pictures
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import open_run
from mindeye.targets.vae import VaeTarget, load_vae
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.training.recording_config import for_fold
from mindeye.training.ridge_baseline import ridge_decoded
from mindeye.types import Decoded, RepeatBatch

OURS, RIDGE = "mindeye", "ridge regression"
DECODED_FILE = "decoded.safetensors"


@dataclass(frozen=True, kw_only=True)
class DecodedTrials:
    """What one system says of every trial, in the order of the recording."""

    embeddings: Float[np.ndarray, "trials features"]
    pictures: UInt8[np.ndarray, "trials height width 3"]


@dataclass(frozen=True, kw_only=True)
class DecodedRecording:
    """Every trial, decoded in the fold that held it out."""

    systems: dict[str, DecodedTrials]
    figure_embeddings: Float[np.ndarray, "images features"]
    """The targets that the embeddings are compared with."""


def decoded_recording(
    recording: Recording,
    by: str,
    experiment: ExperimentConfig,
    out: Path,
    progress: Callable[[int, int], None],
) -> DecodedRecording:
    """Runs all folds of one protocol into OUT/FOLD; folds that are done are only read."""
    folds = folds_of(recording, by)
    parts = []
    for number, fold in enumerate(folds):
        progress(number, len(folds))
        place = out / fold.name
        if not (place / DECODED_FILE).exists():
            arrays = run_fold(recording, fold, experiment, place)
            save_arrays(place / DECODED_FILE, arrays)
        parts.append(load_arrays(place / DECODED_FILE))
    progress(len(folds), len(folds))
    order = np.argsort(np.concatenate([part["trials"] for part in parts]))

    def joined(name: str) -> np.ndarray:
        return np.concatenate([part[name] for part in parts])[order]

    return DecodedRecording(
        systems={
            system: DecodedTrials(
                embeddings=joined(f"{system}/embeddings"), pictures=joined(f"{system}/pictures")
            )
            for system in (OURS, RIDGE)
        },
        figure_embeddings=parts[0]["figure_embeddings"],
    )


def run_fold(
    recording: Recording, fold: Fold, experiment: ExperimentConfig, place: Path
) -> dict[str, np.ndarray]:
    """Prepare, train, decode the held-out single trials; ridge regression on the same trials."""
    prepared = prepare_fold(recording, fold, place / "prepared", experiment.seed)
    train(for_fold(experiment, prepared), place / "run")
    run = open_run(place / "run")
    vae = load_vae(run.provenance["paths"]["vae"])
    scans = single_trials(run.prepared, "test")
    decoded = {
        OURS: decode(run.decoder, scans),
        RIDGE: ridge_decoded(single_trials(run.prepared, "train"), scans, run.targets),
    }
    every_figure = torch.from_numpy(run.prepared.image_ids)
    arrays = {
        "trials": run.prepared.table("test").trials,
        "figure_embeddings": embedding_of(run.targets.tokens(every_figure)).numpy(),
    }
    for system, one in decoded.items():
        arrays[f"{system}/embeddings"] = one.embeddings.numpy()
        arrays[f"{system}/pictures"] = low_level_pictures(one, vae)
    return arrays


def single_trials(prepared: PreparedSubject, split: str) -> RepeatBatch:
    """Every trial of a split by itself: a figure stands as often as it was shown."""
    trials = prepared.trials(split)
    return RepeatBatch(
        subject=trials.subject,
        betas=trials.betas.unsqueeze(1),
        present=torch.ones(len(trials.betas), 1, dtype=torch.bool),
        image_ids=trials.image_ids,
    )


@torch.inference_mode()
def low_level_pictures(
    decoded: Decoded, vae: VaeTarget
) -> UInt8[np.ndarray, "trials height width 3"]:
    """Pictures of the decoded VAE latents, the blurry reconstruction, at the figures' size."""
    return as_pictures(resize(vae.images(decoded.latents), SIDE, antialias=True))

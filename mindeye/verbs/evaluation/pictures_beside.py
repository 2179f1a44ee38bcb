"""Pictures that stand beside reconstructions: what was shown, the ceiling, the nearest floor."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.metrics.pixels import resize
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.drawing_memory import batch_for
from mindeye.reconstruction.opening import OpenRun, open_training
from mindeye.reconstruction.pipeline import Artist, reconstruct
from mindeye.reconstruction.scoring import nearest_training_images
from mindeye.reconstruction.settings import UNASKED, BatchAsked
from mindeye.types import Decoded
from mindeye.verbs.drawing.scans import scans_of
from mindeye.verbs.saved_results import Manifest

CEILING = "ceiling: true tokens"


def shown_pictures(run: OpenRun, image_ids: np.ndarray, side: int | None) -> np.ndarray:
    """What the person saw, uint8, resized to `side` (bilinear, antialiased) where it differs."""
    return pictures_at(run.prepared, image_ids, side)


def pictures_at(prepared: PreparedSubject, image_ids: np.ndarray, side: int | None) -> np.ndarray:
    """The same of any prepared folder."""
    shown = as_images(prepared.images[prepared.rows_of(image_ids)])
    fits = side is None or shown.shape[-1] == side
    return as_pictures(shown if fits else resize(shown, side, antialias=True))


def at_side(pictures: np.ndarray, side: int | None) -> np.ndarray:
    """Pictures in the size of others; as they are where `side` is None or already theirs."""
    if side is None or pictures.shape[1] == side:
        return pictures
    return as_pictures(resize(as_images(pictures), side, antialias=True))


def true_token_pictures(
    run: OpenRun,
    artist: Artist,
    image_ids: np.ndarray,
    folder: Path,
    manifest: Manifest,
    progress: Callable[[int, int], None] | None,
    batch: BatchAsked = UNASKED,
) -> np.ndarray:
    """What the generator draws from the shown images' own tokens, from noise, one candidate."""
    ids = torch.from_numpy(image_ids)
    tokens = run.targets.tokens(ids).to(next(run.decoder.parameters()).device)
    truth = Decoded(
        image_ids=ids,
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=None,
    )
    config = replace(manifest.settings, candidates=1, strength=1.0)
    out = folder / "true_tokens"
    drawn = reconstruct(
        truth,
        artist,
        config,
        out,
        sample_tokens=None,
        # A folder from before the run moved is opened again, so it keeps the run's path.
        about={**manifest.about, "system": CEILING},
        batch=batch_for(batch, out, truth, artist, config, None),
        progress=progress,
    )
    return drawn.pictures


def nearest_pictures(
    run: OpenRun, manifest: Manifest, image_ids: np.ndarray, side: int | None
) -> tuple[np.ndarray | None, str]:
    """For each scan, the training image that the contrastive head finds closest; or why not.

    Data that only test have no training images: those of the run's own data are taken, if these
    still lie where they were.
    """
    try:
        prepared, targets = open_training(run)
    except FileNotFoundError as error:
        return None, f"The run's training images are gone: {error}"
    scans = scans_of(run.prepared, manifest.about["split"], None, 0)
    averaged = "averaged_outputs" in manifest.settings.quirks
    decoded = decode(run.decoder, scans, averaged_outputs=averaged)
    row_of = {image_id: row for row, image_id in enumerate(scans.image_ids.tolist())}
    brain = decoded.embeddings[[row_of[image_id] for image_id in image_ids.tolist()]].cpu()
    training = prepared.repeats("train").image_ids
    found = nearest_training_images(brain, embedding_of(targets.tokens(training)))
    return pictures_at(prepared, training.numpy()[found], side), ""

"""Decoded tokens -> candidates -> selection -> pictures on disk: models meet generators here."""

from collections.abc import Callable
from pathlib import Path

import torch

from mindeye.config import to_mapping
from mindeye.files import save_arrays
from mindeye.reconstruction.batch_size import IMAGES, BatchSize
from mindeye.reconstruction.drawing import Artist, draw_block
from mindeye.reconstruction.picture_folder import (
    Reconstruction,
    begin_folder,
    finish_folder,
    is_finished,
    load_reconstruction,
)
from mindeye.reconstruction.prior_sampler import SampleTokens
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.types import Decoded, require_unique

# Images in one block: saved together, the unit of resuming, and drawn together unless told.
BLOCK = IMAGES
# Of what `draw_block` tells.
SAVED = ("image_ids", "candidates", "scores", "blurry")


@torch.inference_mode()
def reconstruct(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    out: Path,
    *,
    sample_tokens: SampleTokens | None,
    about: dict,
    batch: BatchSize | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws every decoded image into `out`; a rerun draws only what is missing.

    Args:
        sample_tokens: see `prior_sampler`; None takes the brain tokens as image tokens (a
            regression to tokens needs no prior).
        about: provenance that is saved with the pictures, such as run and banner.
        batch: pictures drawn at once; None takes all of a block.

    Raises:
        ValueError: `out` holds reconstructions of other settings or images.
    """
    require_unique(decoded.image_ids)
    identity = {
        "settings": to_mapping(config),
        "generator": artist.generator.identity,
        "image_ids": decoded.image_ids.tolist(),
        "about": about,
    }
    begin_folder(out, identity)
    if is_finished(out):
        return load_reconstruction(out)
    for start in range(0, len(decoded.image_ids), BLOCK):
        part = out / "parts" / f"{start:06d}.safetensors"
        if not part.exists():
            rows = slice(start, start + BLOCK)
            arrays = draw_block(_rows(decoded, rows), artist, config, sample_tokens, batch)
            save_arrays(part, {name: arrays[name] for name in SAVED if name in arrays})
        if progress:
            progress(min(start + BLOCK, len(decoded.image_ids)), len(decoded.image_ids))
    return finish_folder(out, config)


def _rows(decoded: Decoded, rows: slice) -> Decoded:
    return Decoded(*(None if value is None else value[rows] for value in decoded))

"""Decoded tokens -> candidates -> selection -> pictures on disk: models meet generators here."""

from collections.abc import Callable
from pathlib import Path

import torch

from mindeye.config import to_mapping
from mindeye.files import one_at_a_time
from mindeye.reconstruction.batch_size import IMAGES, BatchSize
from mindeye.reconstruction.drawing import Artist, draw_block, num_pictures
from mindeye.reconstruction.picture_folder import (
    Reconstruction,
    begin_folder,
    finish_folder,
    is_finished,
    load_reconstruction,
)
from mindeye.reconstruction.picture_parts import (
    drop_parts,
    missing_images,
    save_image_parts,
    say_unfinished,
    unfinished,
)
from mindeye.reconstruction.prior_sampler import SampleTokens
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.types import Decoded, require_unique

# Images in one block: drawn together unless told, so that a rerun adds up in the same order.
BLOCK = IMAGES


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

    Another process that draws into the same folder is waited for, and its pictures are taken.

    Each image is saved by itself. A block in which one is missing is drawn whole again, so that a
    folder that was stopped ends in the bytes of one that was not.

    Args:
        sample_tokens: see `prior_sampler`; None takes the brain tokens as image tokens (a
            regression to tokens needs no prior).
        about: provenance that is saved with the pictures, such as run and banner.
        batch: pictures drawn at once; None takes all of a block; else a block is as
            many whole images, at least one.

    Raises:
        ValueError: `out` holds reconstructions of other settings or images.
        OSError: the disk is too full.
    """
    require_unique(decoded.image_ids)
    identity = {
        "settings": to_mapping(config),
        "generator": artist.generator.identity,
        "image_ids": decoded.image_ids.tolist(),
        "about": about,
    }
    shape, side = decoded.brain_tokens.shape, artist.generator.side
    begin_folder(out, identity, num_bytes_of(config, shape[0], shape[1] * shape[2], side))
    with one_at_a_time(out):
        if is_finished(out):
            drop_parts(out)
            return load_reconstruction(out)
        return _draw_missing(decoded, artist, config, out, sample_tokens, batch, progress)


def _draw_missing(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    out: Path,
    sample_tokens: SampleTokens | None,
    batch: BatchSize | None,
    progress: Callable[[int, int], None] | None,
) -> Reconstruction:
    image_ids = decoded.image_ids.tolist()
    total, missing = len(image_ids), missing_images(out, image_ids)
    images = BLOCK if batch is None else batch.num_images(num_pictures(config))
    # One for all blocks: what memory once was too small for is not tried again.
    batch = BatchSize() if batch is None else batch
    with unfinished(out, total):
        if progress:
            progress(0, total)  # a first block of large pictures takes minutes
        for start in range(0, total, images):
            rows = slice(start, start + images)
            wanted = missing & set(image_ids[rows])
            if wanted:
                arrays = draw_block(_rows(decoded, rows), artist, config, sample_tokens, batch)
                save_image_parts(out, arrays, wanted)
                say_unfinished(out, total)
            if progress:
                progress(min(start + images, total), total)
        return finish_folder(out, config, artist.generator.identity)


def num_bytes_of(
    config: ReconstructionConfig, num_images: int, token_numbers: int, side: int
) -> int:
    """The most that a folder's pictures and tokens take at once, raw as they are kept.

    They stand in the parts and, for a moment, in the file that joins them; the chosen and the
    blurry ones are PNGs too.

    Args:
        token_numbers: in the tokens of one candidate; kept in 2 bytes each.
    """
    pictures = 3 * side**2 * (2 * num_pictures(config) + 4)
    return num_images * (pictures + 2 * 2 * token_numbers * (config.candidates + 1))


def _rows(decoded: Decoded, rows: slice) -> Decoded:
    return Decoded(*(None if value is None else value[rows] for value in decoded))

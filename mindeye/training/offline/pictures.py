"""The training set of the offline image side: drawn scenes, rendered once into one .npy file."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from mindeye.simulate.scenes import caption_of, scene_image, scene_of

# Image ids from here on never occur in a simulated tree, whose ids are NSD's 0..72,999.
FIRST_TRAINING_ID = 1_000_000
SCENE_SEED = 0
PICTURE_SIDE = 128
BLOCK = 500


def render_pictures(
    path: Path, num_pictures: int, *, processes: int, progress: Callable[[int, int], None]
) -> None:
    """Renders ids FIRST_TRAINING_ID.. into `path`; a rerun goes on where the last one stopped."""
    shape = (num_pictures, PICTURE_SIDE, PICTURE_SIDE, 3)
    done_path = path.with_suffix(".done")
    done = int(done_path.read_text()) if done_path.exists() else 0
    mode = "r+" if path.exists() else "w+"
    pictures = np.lib.format.open_memmap(path, mode=mode, dtype=np.uint8, shape=shape)
    with ProcessPoolExecutor(processes) as pool:
        starts = range(done, num_pictures, BLOCK)
        for start, block in zip(starts, pool.map(partial(_block, num_pictures), starts)):
            pictures[start : start + len(block)] = block
            pictures.flush()
            done_path.write_text(str(start + len(block)))
            progress(start + len(block), num_pictures)


def _block(num_pictures: int, start: int) -> UInt8[np.ndarray, "images height width 3"]:
    stop = min(start + BLOCK, num_pictures)
    ids = range(FIRST_TRAINING_ID + start, FIRST_TRAINING_ID + stop)
    return np.stack([scene_image(SCENE_SEED, image_id, PICTURE_SIDE) for image_id in ids])


def batch_rows(num_pictures: int, batch: int, step: int, seed: int) -> Int[np.ndarray, "images"]:
    """Rows of one step; by (seed, step) alone, so that a resumed training goes on exactly."""
    return np.random.default_rng([seed, step]).choice(num_pictures, batch, replace=False)


def captions(rows: Int[np.ndarray, "images"], step: int) -> list[str]:
    """One caption a picture; the phrasing changes with the step."""
    return [
        caption_of(scene_of(SCENE_SEED, FIRST_TRAINING_ID + int(row)), phrasing=step + int(row))
        for row in rows
    ]


def kinds_of(rows: Int[np.ndarray, "images"]) -> list[str]:
    """The kind of thing on each picture."""
    return [scene_of(SCENE_SEED, FIRST_TRAINING_ID + int(row)).kind for row in rows]

"""A folder of reconstructions while it is drawn: one file an image, and a word of how far it is."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mindeye.files import save_arrays, write_text

PARTS = "parts"
UNFINISHED = "UNFINISHED.txt"


def part_path(out: Path, image_id: int) -> Path:
    """Where an image is kept until all are drawn."""
    return out / PARTS / f"image_{image_id:05d}.safetensors"


def missing_images(out: Path, image_ids: Sequence[int]) -> set[int]:
    """Those that are not drawn yet."""
    return {image_id for image_id in image_ids if not part_path(out, image_id).exists()}


def save_image_parts(out: Path, arrays: Mapping[str, np.ndarray], wanted: set[int]) -> None:
    """Saves the images of a block, those that are `wanted`, each in a file of its own.

    Raises:
        UnwrittenError: the disk is full; what was saved before is intact.
    """
    for row, image_id in enumerate(arrays["image_ids"].tolist()):
        if image_id in wanted:
            part = {name: array[row : row + 1] for name, array in arrays.items()}
            save_arrays(part_path(out, image_id), part)


def state_of(out: Path, total: int) -> str:
    """What an unfinished folder holds, as a sentence."""
    drawn = len(list((out / PARTS).glob("image_*.safetensors")))
    return f"{out} holds a half-done reconstruction: {drawn} of {total} images are drawn."


@contextlib.contextmanager
def unfinished(out: Path, total: int) -> Iterator[None]:
    """Says how far the folder is, from the beginning on, and where an error or Ctrl-C ends it.

    After kill -9 the file may tell of fewer images than there are.
    """
    say_unfinished(out, total)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            say_unfinished(out, total)
        raise


def say_unfinished(out: Path, total: int) -> None:
    """Writes into the folder how far it is."""
    advice = "Run the same command again: it goes on where it stopped."
    write_text(out / UNFINISHED, f"{state_of(out, total)}\n{advice}\n")


def drop_parts(out: Path) -> None:
    """After everything is written elsewhere."""
    shutil.rmtree(out / PARTS, ignore_errors=True)
    (out / UNFINISHED).unlink(missing_ok=True)

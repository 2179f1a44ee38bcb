"""Pictures as a file or folder holds them, before their values are given a meaning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from mindeye.data.test_sets import KnownTests

Rows = Int[np.ndarray, "chosen"]
Block = Shaped[np.ndarray, "chosen height width channels"]


@dataclass(frozen=True, kw_only=True)
class StoredPictures:
    """Opened, counted and measured, but not read."""

    path: Path
    form: str
    """For provenance: `folder of PNG and JPEG`, `.pt tensor` ..."""
    count: int
    image_ids: Int[np.ndarray, "images"] | None
    """None where only the position tells pictures apart."""
    size: tuple[int, int]
    """Height and width of all pictures."""
    read: Callable[[Rows], Block]
    """Chosen rows as they are stored, channels last."""
    files: tuple[Path, ...]
    """All that was opened, for checksums."""
    notes: tuple[str, ...] = ()
    """What was converted or left out."""
    simulated: Mapping[str, Any] | None = None
    """What is known of pictures that belong to a simulated subject."""
    tests: Callable[[], KnownTests] | None = None
    """Reads which test sets and training images the place tells of."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """Run, weights, subject and system of a folder of `mindeye reconstruct`."""
    names: tuple[str, ...] = ()
    """Of files, one a picture; a row is named by its number otherwise."""

    def name_of(self, row: int) -> str:
        """A picture for messages."""
        where = self.names[row] if self.names else f"row {row}"
        return where if self.image_ids is None else f"{where} (image {self.image_ids[row]})"


def require_channels(path: Path, shape: tuple[int, ...]) -> tuple[int | None, int, int, int]:
    """Where the channels of (images, ...) lie, how many there are, height and width.

    The axis is None for grey pictures without an axis of channels.

    Raises:
        ValueError: no stack of pictures, both ends could be channels, or there is alpha.
    """
    if len(shape) == 3:
        return None, 1, shape[1], shape[2]
    if len(shape) == 4:
        axes = [axis for axis in (1, 3) if shape[axis] in (1, 3, 4)]
        if len(axes) == 1 and shape[axes[0]] == 4:
            raise ValueError(
                f"{path} holds pictures of four channels, shape {shape}; what lies behind alpha is "
                "not known. Save them as RGB, on the background that they were shown on."
            )
        if len(axes) == 1:
            height, width = (shape[axis] for axis in (1, 2, 3) if axis != axes[0])
            return axes[0], shape[axes[0]], height, width
    raise ValueError(
        f"{path} holds an array of shape {shape}, which is no stack of pictures. "
        "Save it as (images, 3, height, width) or (images, height, width, 3)."
    )


def channels_last(block: Shaped[np.ndarray, "..."], axis: int | None) -> Block:
    """A block of an array as `require_channels` has understood it."""
    return block[..., None] if axis is None else np.moveaxis(block, axis, -1)

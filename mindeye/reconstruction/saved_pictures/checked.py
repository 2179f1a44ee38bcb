"""Checked pictures with their ids, read in blocks as RGB in [0, 1]."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.reconstruction.saved_pictures.stored import Block, Rows, StoredPictures
from mindeye.reconstruction.saved_pictures.value_range import Extremes, as_unit_images, range_of

# Bytes of a block of pictures as float32.
BLOCK_BYTES = 48_000_000


@dataclass(frozen=True, kw_only=True)
class CheckedPictures:
    """Pictures that have been looked at from the first to the last value."""

    stored: StoredPictures
    image_ids: Int[np.ndarray, "images"]
    rows: Rows
    """Where each of `image_ids` is stored."""
    value_range: str
    eight_bit: bool
    """Stored as uint8."""
    notes: tuple[str, ...]
    blank: Int[np.ndarray, "_"]
    """Ids of pictures whose values are all equal."""

    @property
    def block_length(self) -> int:
        """How many pictures are read at a time."""
        return block_length(self.stored)

    def images(self, chosen: Rows) -> Float[Tensor, "chosen 3 height width"]:
        """The pictures of some entries of `image_ids`, RGB in [0, 1]."""
        return as_unit_images(self.stored.read(self.rows[chosen]), self.value_range)


def block_length(stored: StoredPictures) -> int:
    """Pictures of that size that fit into a block."""
    height, width = stored.size
    return max(1, BLOCK_BYTES // (12 * height * width))


def require_unique_ids(source: str, image_ids: Int[np.ndarray, "images"]) -> None:
    """Refuses an image that stands twice, or a negative id.

    Raises:
        ValueError: names up to five of them.
    """
    values, counts = np.unique(image_ids, return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        raise ValueError(
            f"{source}: {len(twice)} image ids stand more than once, first "
            f"{twice[:5].tolist()}. Keep one picture an image."
        )
    if values[0] < 0:
        raise ValueError(f"{source}: {values[0]} is no image id. Ids count from 0.")


def examined(
    stored: StoredPictures,
    image_ids: Int[np.ndarray, "images"],
    rows: Rows,
    *,
    option: str,
    asked_range: str | None,
) -> CheckedPictures:
    """Looks at every value of the pictures that will be used, before anything is computed.

    Args:
        option: how the user can say what values mean, for messages.

    Raises:
        FloatingPointError: NaN or infinity; the first pictures are named.
        ValueError: values of several meanings, or a damaged picture.
    """
    low, high, dtype = np.inf, -np.inf, np.dtype(np.uint8)
    bad, blank = [], []
    for start, block in _blocks(stored, rows):
        dtype = block.dtype
        if dtype.kind not in "fiu":
            raise ValueError(
                f"{stored.path} holds {dtype}, no numbers. Save pictures as uint8 or floats."
            )
        flat = block.reshape(len(block), -1)
        lowest, highest = flat.min(1), flat.max(1)  # NaN where one value is
        finite = np.isfinite(lowest) & np.isfinite(highest)
        bad += (start + np.flatnonzero(~finite)).tolist()
        blank += (start + np.flatnonzero(lowest == highest)).tolist()
        low, high = min(low, float(lowest.min())), max(high, float(highest.max()))
    if bad:
        named = ", ".join(stored.name_of(int(rows[one])) for one in bad[:3])
        raise FloatingPointError(
            f"{stored.path}: {len(bad)} of {len(rows)} pictures hold NaN or infinity, first "
            f"{named}. Look at the step that made them."
        )
    value_range, note = range_of(str(stored.path), option, dtype, Extremes(low, high), asked_range)
    notes = (*stored.notes, *([] if note is None else [note]))
    return CheckedPictures(
        stored=stored,
        image_ids=image_ids,
        rows=rows,
        value_range=value_range,
        eight_bit=dtype == np.uint8,
        notes=notes,
        blank=image_ids[blank],
    )


def _blocks(stored: StoredPictures, rows: Rows) -> Iterator[tuple[int, Block]]:
    length = block_length(stored)
    for start in range(0, len(rows), length):
        yield start, stored.read(rows[start : start + length])

"""Checked pictures as one array on the disk, as metrics take them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mindeye.metrics.pixels import resize
from mindeye.pictures import as_pictures
from mindeye.reconstruction.saved_pictures.checked import CheckedPictures
from mindeye.reconstruction.saved_pictures.stored import Rows


class RereadPictures(np.memmap):
    """An array on the disk whose slices are mapped anew, and unmapped with them.

    Of an ordinary memmap, all pages that were ever read stay in memory as long as it lives.
    """

    def __getitem__(self, chosen: slice) -> np.ndarray:
        return np.memmap(self.filename, self.dtype, "r", self.offset, self.shape)[chosen]


def written_to(
    path: Path,
    source: CheckedPictures,
    *,
    side: int | None = None,
    order: Rows | None = None,
    progress: Callable[[int], None] | None = None,
) -> RereadPictures:
    """Writes pictures to a file, block by block.

    8-bit pictures stay 8-bit; all others become float32 and lose nothing.

    Args:
        side: resized to squares of that size (bilinear, antialiased), and 8-bit again.
        order: position i gets picture order[i]; None leaves all at their places.
    """
    count = len(source.image_ids)
    order = np.arange(count) if order is None else order
    height, width = source.stored.size if side is None else (side, side)
    dtype = np.uint8 if source.eight_bit else np.float32
    with path.open("wb") as stream:
        for start in range(0, count, source.block_length):
            images = source.images(order[start : start + source.block_length])
            if side is not None:
                images = resize(images, side, antialias=True)
            last = as_pictures(images) if source.eight_bit else images.movedim(1, -1).numpy()
            stream.write(np.ascontiguousarray(last, dtype=dtype).data)
            if progress is not None:
                progress(min(start + source.block_length, count))
    return RereadPictures(path, dtype, "r", 0, (count, height, width, 3))


def bytes_of(source: CheckedPictures, side: int | None = None) -> int:
    """What `written_to` takes of the disk."""
    height, width = source.stored.size if side is None else (side, side)
    return len(source.image_ids) * height * width * 3 * (1 if source.eight_bit else 4)

"""Rows of features in memory, or of more images than memory holds in a file of their own."""

import os
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.disk import naming_full_disks

# More than this is kept in a file: two sides of several outputs stay far below 2 GB.
MEMORY_BYTES = 1 << 28


class MemoryRows:
    """A tensor, read as `StoredRows` are."""

    def __init__(self, values: Float[Tensor, "images features"]) -> None:
        self._values = values
        self.shape = tuple(values.shape)

    @cached_property
    def means(self) -> Float[Tensor, "images 1"]:
        """The mean of each row."""
        dtype = torch.promote_types(self._values.dtype, torch.float32)
        return self._values.mean(1, keepdim=True, dtype=dtype)

    def block(self, rows: slice, columns: slice) -> Float[Tensor, "rows columns"]:
        """Some rows and some columns, at least in single precision."""
        block = self._values[rows, columns]
        return block.to(torch.promote_types(block.dtype, torch.float32))

    def rows(self, chosen: Int[Tensor, "rows"]) -> Float[Tensor, "rows features"]:
        """Whole rows, in the order asked for."""
        return self._values[chosen]


class StoredRows:
    """Rows of features (float32) that are written once, image by image, and read in blocks.

    They lie in the folder for temporary files (the environment variable TMPDIR chooses it) and are
    gone with this object.
    """

    def __init__(self, num_images: int, num_features: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the rows)
        # Made at once: small pieces between large ones would keep the memory of those.
        self._means = torch.empty(num_images, 1)
        self._room = np.empty(0, dtype=np.float32)
        self.shape = (0, num_features)

    def append(self, rows: Float[Tensor, "images features"]) -> None:
        """Writes further rows behind those that are there.

        Raises:
            UnwrittenError: the disk is full.
        """
        rows = rows.float().contiguous()
        with naming_full_disks(Path(tempfile.gettempdir()) / "features"):
            self._file.write(memoryview(rows.numpy()).cast("B"))
            self._file.flush()
        there = self.shape[0]
        torch.mean(rows, 1, keepdim=True, out=self._means[there : there + len(rows)])
        self.shape = (there + len(rows), self.shape[1])

    @property
    def means(self) -> Float[Tensor, "images 1"]:
        """The mean of each row."""
        return self._means

    def block(self, rows: slice, columns: slice) -> Float[Tensor, "rows columns"]:
        """Some rows and some columns; valid until the next call."""
        first, last, _ = rows.indices(self.shape[0])
        left, right, _ = columns.indices(self.shape[1])
        size = (last - first) * (right - left)
        # The same memory for all: blocks made anew leave gaps that nothing else fits into.
        if len(self._room) < size:
            self._room = np.empty(size, dtype=np.float32)
        block = self._room[:size].reshape(last - first, right - left)
        return self._read(block, range(first, last), left)

    def rows(self, chosen: Int[Tensor, "rows"]) -> Float[Tensor, "rows features"]:
        """Whole rows, in the order asked for."""
        block = np.empty((len(chosen), self.shape[1]), dtype=np.float32)
        return self._read(block, chosen.tolist(), 0)

    def _read(
        self, block: Float[np.ndarray, "rows columns"], rows: Iterable[int], left: int
    ) -> Float[Tensor, "rows columns"]:
        for values, row in zip(block, rows, strict=True):
            start = 4 * (row * self.shape[1] + left)
            if os.preadv(self._file.fileno(), [values], start) != values.nbytes:
                raise OSError(
                    f"Features could not be read back from {tempfile.gettempdir()}. "
                    "Has that disk failed? Choose another one with TMPDIR."
                )
        return torch.from_numpy(block)


class KeptRows:
    """Rows as a network gives them, in memory or in a file, by how many there will be."""

    def __init__(self, num_images: int) -> None:
        self._num_images, self._num_kept = num_images, 0
        self._kept: Tensor | StoredRows | None = None

    def append(self, rows: Float[Tensor, "images features"]) -> None:
        """Takes further rows."""
        if self._kept is None:
            # At once: a copy of all pieces into one would take the memory twice.
            shape = self._num_images, rows.shape[1]
            stored = 4 * shape[0] * shape[1] > MEMORY_BYTES
            self._kept = StoredRows(*shape) if stored else rows.new_empty(shape)
        if isinstance(self._kept, StoredRows):
            self._kept.append(rows)
        else:
            self._kept[self._num_kept : self._num_kept + len(rows)] = rows
        self._num_kept += len(rows)

    def whole(self) -> Tensor | StoredRows:
        """All of them."""
        return self._kept


FeatureRows = MemoryRows | StoredRows


def as_rows(values: Float[Tensor, "images features"] | StoredRows) -> FeatureRows:
    """Either kind, to be read in one way."""
    return MemoryRows(values) if isinstance(values, Tensor) else values

""".npy files that grow row by row: memory holds one block, and a full disk is an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mindeye.files import atomic_path


class RowFile:
    """Rows of one shape, written in their order; the first length is only known at the end."""

    def __init__(self, stream: BinaryIO, row_shape: tuple[int, ...], dtype: type) -> None:
        self.stream, self.row_shape, self.dtype = stream, row_shape, np.dtype(dtype)
        self.count = 0
        self._write_header()
        self._header_bytes = stream.tell()

    def add(self, rows: np.ndarray) -> None:
        """Appends rows."""
        assert rows.shape[1:] == self.row_shape, (rows.shape, self.row_shape)
        self.stream.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self.count += len(rows)

    def close(self) -> None:
        """Writes the header again; NumPy leaves room in it for a first axis of any length."""
        self.stream.seek(0)
        self._write_header()
        assert self.stream.tell() == self._header_bytes

    def _write_header(self) -> None:
        about = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.count, *self.row_shape),
        }
        np.lib.format.write_array_header_1_0(self.stream, about)


@contextmanager
def row_file(path: Path, row_shape: tuple[int, ...], dtype: type = np.float16) -> Iterator[RowFile]:
    """A file that is there once the block ends well."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        rows = RowFile(stream, row_shape, dtype)
        yield rows
        rows.close()

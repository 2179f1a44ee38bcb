"""Which pages of a file the system keeps in memory, so that cold readings can be measured."""

import ctypes
import mmap
import os
from pathlib import Path

import numpy as np

MOST_LEFT = 0.01
"""Share of a file that may still be in memory when it is called cold."""


def make_cold(path: Path) -> None:
    """Lets the system forget a file, and looks whether it did.

    A disk, or a machine that hosts this one, may keep a copy of its own that no one can see here.

    Raises:
        OSError: the file stays in memory, as where another program has it mapped.
    """
    with path.open("rb") as stream:
        # Pages that were not written to the disk yet cannot be forgotten.
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    share = cached_share(path)
    if share > MOST_LEFT:
        raise OSError(
            f"{share:.0%} of {path} stays in memory. A reading of it would not be a cold one: "
            "close what has it open, or put it on another disk."
        )


def cached_share(path: Path) -> float:
    """Share of a file's pages that are in memory."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        whole = np.frombuffer(pages, dtype=np.uint8)
        found = np.zeros(-(-len(whole) // mmap.PAGESIZE), dtype=np.uint8)
        address, length = ctypes.c_void_p(whole.ctypes.data), ctypes.c_size_t(len(whole))
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(address, length, ctypes.c_void_p(found.ctypes.data))
        del whole  # or the mapping cannot be closed
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return float((found & 1).mean())

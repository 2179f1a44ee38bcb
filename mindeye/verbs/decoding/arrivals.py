"""Files of a folder in the order of their names, each when it is whole."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

SUFFIXES = (".npy", ".nii", ".nii.gz")
STOP = "STOP"


class Arrivals:
    """Watches a folder: a file is ready when it has not changed between two looks and is whole.

    Writers that rename a finished file into the folder are safe in any case; names that begin
    with a dot or end otherwise than `SUFFIXES` are not looked at.
    """

    def __init__(self, folder: Path, seen: Sequence[str] = ()) -> None:
        self.folder = folder
        self.seen = list(seen)
        """Names that were ready, in their order."""
        self._sizes: dict[str, tuple[int, int]] = {}

    @property
    def is_stopped(self) -> bool:
        return (self.folder / STOP).exists()

    def ready(self) -> Iterator[Path]:
        """New whole files in the order of their names, up to the first that is not whole.

        Raises:
            ValueError: a file came after one that its name puts behind it.
        """
        waiting = self._waiting()
        known, self._sizes = self._sizes, {path.name: _state_of(path) for path in waiting}
        for path in waiting:
            if known.get(path.name) != self._sizes[path.name] or not is_whole(path):
                return
            if self.seen and path.name < self.seen[-1]:
                raise ValueError(
                    f"{path} came after {self.seen[-1]} was decoded, but its name stands before. "
                    "Name files so that they sort as they come, and move this one away."
                )
            yield path
            # Only now: what could not be decoded is not behind us.
            self.seen.append(path.name)

    def may_still_be_read(self) -> bool:
        """Whether a file waits for its second look."""
        return any(is_whole(path) for path in self._waiting())

    def require_nothing_left(self) -> None:
        """Refuses an end with files that never became whole.

        Raises:
            ValueError: names the first.
        """
        left = self._waiting()
        if left:
            raise ValueError(
                f"{left[0]} was never whole, and it and {len(left) - 1} more were not decoded. "
                f"Write it again, delete {STOP} and run the same command again."
            )

    def _waiting(self) -> list[Path]:
        seen = set(self.seen)
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.name.endswith(SUFFIXES)
            and not path.name.startswith(".")
            and path.name not in seen
        )


def is_whole(path: Path) -> bool:
    """Whether a file can be read to the end that its header promises."""
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False).nbytes > 0
        return np.asanyarray(nibabel.load(path).dataobj).size > 0
    except (ValueError, EOFError, OSError, ImageFileError, zlib.error):
        return False


def _state_of(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns

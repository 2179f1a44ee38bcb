"""Room on the disk: asked for early, reserved, and named where it ran out."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# No room on the disk, above the user's quota, larger than a file may be.
_TOO_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Mounted read-only, or without the right to write.
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)

# What should hold a folder is a file.
_NO_FOLDER = (errno.EEXIST, errno.ENOTDIR)

# A folder with something in it, or a file, stands where a folder was to go.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


class UnwrittenError(OSError):
    """A file or folder could not be written, most likely because the disk is full."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} could not be written ({reason}). Is the disk full? "
            "What was there before is intact; make room and run the same command again."
        )
        self.reason = reason


@contextlib.contextmanager
def naming_full_disks(path: Path) -> Iterator[None]:
    """Turns the system's bare "no space left" of a block into a sentence about `path`.

    Raises:
        UnwrittenError: the disk is full.
    """
    try:
        yield
    except UnwrittenError as error:  # of a part of `path`, under its temporary name
        raise UnwrittenError(path, error.reason) from error
    except (OSError, RuntimeError) as error:
        number = _system_error_of(error)
        if number not in _TOO_FULL:
            raise
        raise UnwrittenError(path, os.strerror(number)) from error


@contextlib.contextmanager
def naming_closed_places(path: Path) -> Iterator[None]:
    """Turns the system's bare refusal to let a block make `path` into a sentence about it.

    Raises:
        NotADirectoryError: something on the way there is a file.
        PermissionError: nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise NotADirectoryError(
                f"{path} cannot be written: {error.filename} is no folder, or goes through a file. "
                "Choose another folder."
            ) from error
        if error.errno not in _CLOSED:
            raise
        raise PermissionError(
            f"{path} may not be written ({os.strerror(error.errno)}). Choose another folder, or "
            "get the right to write there."
        ) from error


@contextlib.contextmanager
def naming_taken_places(path: Path) -> Iterator[None]:
    """Turns the system's bare refusal to put a folder at `path` into a sentence about it.

    Raises:
        FileExistsError: something is there.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise FileExistsError(
            f"{path} was made by something else while this was being written. It stays as it is: "
            "look at it, or choose another folder."
        ) from error


def require_replaceable(path: Path) -> None:
    """Refuses a folder whose place the system lets no other folder take.

    Raises:
        ValueError: it is the working folder, or one where a disk is mounted.
    """
    if path.is_dir() and (os.path.ismount(path) or path.samefile(Path.cwd())):
        raise ValueError(
            f"{path.absolute()} is the folder where this runs or where a disk is mounted, and "
            f"cannot be made anew. Name a new folder in it, such as {path / 'NAME'}."
        )


def require_no_folder(path: Path) -> None:
    """Refuses a folder where a file is to be written.

    Raises:
        IsADirectoryError: says so.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} is a folder, but a file is to be written there. Give a file's name."
        )


def _system_error_of(error: BaseException | None) -> int | None:
    """The system's error number, also where HDF5 tells it in words only, or as the cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        told = re.search(r"\berrno = (\d+)", str(error))
        if told:
            return int(told[1])
        error = error.__context__
    return None


def reserve(stream: BinaryIO, num_bytes: int) -> None:
    """Takes room for a file of that size now, where the system can: a later write cannot fail.

    Raises:
        OSError: no room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(stream.fileno(), 0, num_bytes)
    except OSError as error:
        # Some network disks cannot reserve.
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise


def unwritten(path: Path, error: Exception) -> UnwrittenError:
    """What to say when a library hides why a file could not be written."""
    return UnwrittenError(path, str(error).splitlines()[0])


def require_free_space(folder: Path, num_bytes: int, what: str) -> None:
    """Refuses early when `what` would not fit on the disk that holds `folder`.

    Raises:
        OSError: less than `num_bytes` free; both numbers are named.
    """
    existing = folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        raise OSError(
            f"{what} needs about {_megabytes(num_bytes)}, but the disk of {folder} has "
            f"{_megabytes(free)} free. Free some space or choose another folder."
        )


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.{0 if num_bytes >= 10**7 else 2}f} MB"

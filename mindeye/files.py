"""Files that are whole or absent: atomic writes, checksums, room on the disk."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

# safetensors (0.8) and tempfile create files that only their owner can read; artefacts are shared.
SHARED_MODE = 0o644
# No room on the disk, above the user's quota, larger than a file may be.
_TOO_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAMPLES, _SAMPLE_BYTES = 16, 4096


class UnwrittenError(OSError):
    """A file or folder could not be written, most likely because the disk is full."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} could not be written ({reason}). Is the disk full? "
            "What was there before is intact; make room and run the same command again."
        )
        self.reason = reason


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path that becomes `path` only if the block ends well.

    Sweeps what killed writers of the same `path` have left.

    Raises:
        UnwrittenError: the disk is full.
    """
    # A folder of its own: libraries leave debris beside what they write when they are killed.
    with _temporary_folder(path) as folder:
        temporary = folder / path.name
        yield temporary
        temporary.chmod(SHARED_MODE)
        os.replace(temporary, path)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Like `atomic_path` for a folder that does not exist yet."""
    with _temporary_folder(path) as temporary:
        yield temporary
        temporary.chmod(0o755)
        os.replace(temporary, path)


@contextlib.contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that is gone after the block, however it ends."""
    with naming_full_disks(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        prefix = f".{path.name}.{_place()}-{os.getpid()}."
        temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=path.parent))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _sweep(path: Path) -> None:
    """Removes temporaries of `path` whose writer was killed; all others may still be written."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.{_place()}-(\d+)\.[^.]+\.part")
    for name in os.listdir(path.parent):
        found = pattern.fullmatch(name)
        if found and not _is_running(int(found[1])):
            shutil.rmtree(path.parent / name, ignore_errors=True)


def _place() -> str:
    """Where a process id means this process: the machine, and the container on it."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:
        container = ""
    return hashlib.sha256(f"{socket.gethostname()} {container}".encode()).hexdigest()[:8]


def _is_running(process_id: int) -> bool:
    if os.name != "posix":  # there, signal 0 would end the process
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON atomically; NaN is refused, because other languages cannot read it."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not JSON (half-written, or something else).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not readable JSON ({error}). Was it cut off? "
            "Delete it and rerun what made it."
        ) from error


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_of(path: Path) -> str:
    """SHA-256 of a file's size and of evenly spread samples: fast for files of any size.

    Tells one recording from another; may miss a change of a few bytes.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        for sample in range(_SAMPLES):
            stream.seek(max(0, size - _SAMPLE_BYTES) * sample // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a safetensors file atomically.

    Raises:
        OSError: it could not be written, for example because the disk is full.
    """
    with atomic_path(path) as temporary:
        try:
            save_file({name: np.ascontiguousarray(one) for name, one in arrays.items()}, temporary)
        except SafetensorError as error:
            raise unwritten(path, error) from error


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads a safetensors file.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged ({error}). Delete it and run again what made it."
        ) from error


def unwritten(path: Path, error: Exception) -> UnwrittenError:
    """What to say when a library hides why a file could not be written."""
    return UnwrittenError(path, str(error).splitlines()[0])


def holds_something(folder: Path) -> bool:
    """Whether a folder holds more than what a kill in the middle of a write leaves behind."""
    return folder.exists() and any(
        not (one.name.startswith(".") and one.name.endswith(".part")) for one in folder.iterdir()
    )


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
            f"{what} needs about {num_bytes / 1e6:.0f} MB, but the disk of {folder} has "
            f"{free / 1e6:.0f} MB free. Free some space or choose another folder."
        )

"""Files that are whole or absent: atomic writes, checksums."""

import contextlib
import hashlib
import json
import mmap
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from mindeye import disk

# safetensors (0.8) and tempfile create files that only their owner can read; artefacts are shared.
SHARED_MODE = 0o644
_SAMPLES, _SAMPLE_BYTES = 16, 4096


@contextlib.contextmanager
def atomic_path(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path that becomes `path` only if the block ends well.

    Sweeps what killed writers of the same `path` have left.

    Args:
        durable: whether the file is on the disk before this ends, so that it survives a power cut.

    Raises:
        UnwrittenError: the disk is full.
        PermissionError, IsADirectoryError: nothing may be written there, or a folder is there.
    """
    disk.require_no_folder(path)
    # A folder of its own: libraries leave debris beside what they write when they are killed.
    with temporary_folder(path) as folder:
        temporary = folder / path.name
        yield temporary
        temporary.chmod(SHARED_MODE)
        if durable:
            _flush(temporary)
        os.replace(temporary, path)
        if durable and os.name == "posix":
            _flush(path.parent)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Like `atomic_path` for a folder that does not exist yet, or is empty."""
    disk.require_replaceable(path)
    with temporary_folder(path) as temporary:
        yield temporary
        temporary.chmod(0o755)
        with disk.naming_taken_places(path):
            os.replace(temporary, path)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` that is gone after the block, however it ends."""
    with disk.naming_full_disks(path):
        prefix = f".{path.name}.{_place()}-{os.getpid()}."
        with disk.naming_closed_places(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path)
            temporary = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=path.parent))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Processes that enter with the same folder wait for each other, where the system can lock.

    The lock ends with its process, however that ends, and leaves no file.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    with disk.naming_closed_places(folder):
        folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network disks cannot lock a folder: writers that are atomic then do work twice.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _flush(path: Path) -> None:
    """Waits until the disk has what a file holds, or which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_whole(array: np.ndarray) -> None:
    """Refuses a file mapped by `np.load` that was cut since: reading its end would end the process.

    Raises:
        ValueError: both sizes. An array in memory is whole.
    """
    if isinstance(array, np.memmap):
        require_whole_map(array.base, array.filename)


def require_whole_map(content: mmap.mmap, path: Path | str) -> None:
    """The same of a map.

    Raises:
        ValueError: both sizes.
    """
    if content.size() < len(content):
        raise ValueError(
            f"{path} has {content.size()} bytes, but had {len(content)} when it was opened: "
            "something cut it off meanwhile. Restore that file, or make its folder again."
        )


def sweep(path: Path) -> None:
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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
            raise disk.unwritten(path, error) from error


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


def holds_something(folder: Path) -> bool:
    """Whether a folder holds more than what a kill in the middle of a write leaves behind.

    Raises:
        NotADirectoryError: it is a file.
    """
    if folder.is_file():
        raise NotADirectoryError(
            f"{folder} is a file, but a folder is to be written there. Choose another place."
        )
    return folder.exists() and any(
        not (one.name.startswith(".") and one.name.endswith(".part")) for one in folder.iterdir()
    )

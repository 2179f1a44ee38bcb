"""Files that are whole or absent: atomic writes, checksums, room on the disk."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

# safetensors (0.8) and tempfile create files that only their owner can read; artefacts are shared.
SHARED_MODE = 0o644


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that becomes `path` only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(SHARED_MODE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Like `atomic_path` for a folder that does not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def unwritten(path: Path, error: Exception) -> OSError:
    """What to say when a library hides why a file could not be written."""
    return OSError(
        f"{path} could not be written ({str(error).splitlines()[0]}). Is the disk full? "
        "What was there before is intact; make room and run the same command again."
    )


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

"""Many safetensors files -> one that is read where it is looked at: never whole in memory."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open

from mindeye.files import atomic_path

# Safetensors begins its data at a multiple of this many bytes.
ALIGNMENT = 8
KINDS: Mapping[str, type[np.generic]] = MappingProxyType(
    {
        "U8": np.uint8,
        "F16": np.float16,
        "I32": np.int32,
        "F32": np.float32,
        "I64": np.int64,
        "F64": np.float64,
    }
)
"""Of safetensors' names, those that reconstructions have."""


@dataclass(frozen=True)
class _Joined:
    """One array of all files: those of the files, one after the other along the first axis."""

    name: str
    kind: str
    """As safetensors names it, such as F16."""
    shape: tuple[int, ...]
    item_bytes: int

    @property
    def num_bytes(self) -> int:
        return self.item_bytes * math.prod(self.shape)


def join_arrays(paths: Sequence[Path], out: Path, *, without: Sequence[str] = ()) -> None:
    """Joins arrays of the same name along their first axis, in the order of the files.

    Args:
        paths: all with the same arrays, which differ in their first axis alone.
        without: names that are left out.

    Raises:
        UnwrittenError: the disk is full.
    """
    arrays = _joined(paths, without)
    header, place = {}, 0
    for one in arrays:
        ends = [place, place + one.num_bytes]
        header[one.name] = {"dtype": one.kind, "shape": one.shape, "data_offsets": ends}
        place = ends[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with atomic_path(out) as temporary, temporary.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for one in arrays:
            _write(stream, one.name, paths)


def mapped_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, read only; what is not looked at is not read.

    Raises:
        ValueError: the file is damaged, or holds kinds of numbers that reconstructions have not.
    """
    try:
        with safe_open(path, "numpy"):  # checks header, places and length
            pass
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged ({error}). Delete it and run again what made it."
        ) from error
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
    found = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        if about["dtype"] not in KINDS:
            raise ValueError(f"{path}: `{name}` holds {about['dtype']}. Was it drawn by mindeye?")
        kind, shape = KINDS[about["dtype"]], tuple(about["shape"])
        place = 8 + size + about["data_offsets"][0]
        # What has no bytes cannot be mapped.
        is_empty = not math.prod(shape)
        found[name] = (
            np.empty(shape, kind)
            if is_empty
            else np.memmap(path, kind, "r", offset=place, shape=shape)
        )
    return found


def _write(stream: BinaryIO, name: str, paths: Sequence[Path]) -> None:
    for path in paths:
        with safe_open(path, "numpy") as file:
            stream.write(file.get_tensor(name).tobytes())


def _joined(paths: Sequence[Path], without: Sequence[str]) -> list[_Joined]:
    """Wide numbers first, as safetensors orders them, so that each array is aligned."""
    found: dict[str, _Joined] = {}
    for path in paths:
        with safe_open(path, "numpy") as file:
            for name in sorted(set(file.keys()) - set(without)):
                part = file.get_slice(name)
                count, *rest = part.get_shape()
                before = found[name].shape[0] if name in found else 0
                item_bytes = file.get_tensor(name).itemsize if not before else 0
                found[name] = _Joined(
                    name=name,
                    kind=part.get_dtype(),
                    shape=(before + count, *rest),
                    item_bytes=item_bytes or found[name].item_bytes,
                )
    return sorted(found.values(), key=lambda one: (-one.item_bytes, one.name))

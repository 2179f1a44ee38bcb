"""Many safetensors files -> one, without holding more than one of them in memory."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from safetensors import safe_open

from mindeye.files import atomic_path

# Safetensors begins its data at a multiple of this many bytes.
ALIGNMENT = 8


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

"""Samples of published webdataset tars: only what is asked for is read, and never a pickle."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from webdataset.tariterators import group_by_keys

_END = 1024
"""Zero bytes at the end of every whole tar."""


def numbered_tars(folder: Path, prefix: str = "") -> list[Path]:
    """PREFIX0.tar, PREFIX1.tar, ... of a folder, in the order of their numbers.

    Raises:
        FileNotFoundError: none, or one is missing between others.
    """
    number_of = {
        path: path.stem.removeprefix(prefix)
        for path in folder.glob(f"{prefix}*.tar")
        if path.stem.removeprefix(prefix).isdecimal()
    }
    paths = sorted(number_of, key=lambda path: int(number_of[path]))
    present = {int(number) for number in number_of.values()}
    absent = sorted({0, *range(max(present, default=0))} - present)
    if absent:
        raise FileNotFoundError(
            f"{folder / f'{prefix}{absent[0]}.tar'} is missing. Fetch it from where the others "
            "were published."
        )
    return paths


def samples_of(path: Path, names: Sequence[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Where each sample stands, for messages, and those of its files that are asked for.

    Raises:
        ValueError: the tar is damaged, or a sample lacks a file.
    """
    try:
        _require_end(path)
        for sample in group_by_keys(_files_of(path, tuple(f".{name}" for name in names))):
            where = f"{path}, sample {sample['__key__']}"
            absent = [name for name in names if name not in sample]
            if absent:
                raise LookupError(f"sample {sample['__key__']} lacks {', '.join(absent)}")
            yield where, {name: sample[name] for name in names}
    except (tarfile.TarError, OSError, EOFError, LookupError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}). Was its download cut off? Fetch it again."
        ) from error


def array_of(sample: Mapping[str, bytes], name: str, where: str) -> np.ndarray:
    """One npy file of a sample.

    Raises:
        ValueError: not an array of numbers: pickles are refused, because they can run code.
    """
    try:
        array = np.lib.format.read_array(io.BytesIO(sample[name]), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{where}: {name} is no plain array ({error}). Pickles are not opened, because they "
            "can run code: fetch the published file."
        ) from error
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{where}: {name} holds {array.dtype}, not numbers. Fetch it again.")
    return array


def whole_number(array: np.ndarray, name: str, where: str) -> int:
    """The only number of an array.

    Raises:
        ValueError: several, or no whole one.
    """
    if array.size != 1 or array.item() != np.rint(array.item()):
        raise ValueError(
            f"{where}: {name} has shape {array.shape} and begins {array.ravel()[:3].tolist()}, but "
            "one whole number is needed. Is this the published file?"
        )
    return int(array.item())


def _files_of(path: Path, suffixes: tuple[str, ...]) -> Iterator[dict]:
    """Seeks past all other files: a sample may hold a whole brain that nobody needs here."""
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.isreg() and member.name.endswith(suffixes):
                content = tar.extractfile(member).read()
                yield {"fname": member.name, "data": content, "__url__": path.name}


def _require_end(path: Path) -> None:
    """A tar that was cut between two files would read well."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _END))
        if stream.read() != bytes(_END):
            raise EOFError("its end is missing")

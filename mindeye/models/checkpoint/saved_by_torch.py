"""Reads files of `torch.save` without torch.load: zip files, and the pickles before torch 1.6."""

import struct
import zipfile
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

import torch

from mindeye.models.checkpoint.inert_names import Inert
from mindeye.models.checkpoint.opcodes import read_pickle
from mindeye.models.checkpoint.stored_tensor import Storage

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LOCAL_HEADER = struct.Struct("<4s22xHH")
# What zipfile and struct raise for bytes that are no zip file, or only its half.
_DAMAGED_ZIP = (
    zipfile.BadZipFile,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
    OSError,
)
_DTYPE_OF_STORAGE = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Untyped": torch.uint8,
    "Bool": torch.bool,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}


def read_saved(path: Path) -> Any:
    """What `torch.load` would give, tensors as `StoredTensor`, objects as `Inert`.

    Raises:
        ValueError: cut off, no checkpoint, or a pickle that would run code.
    """
    with path.open("rb") as stream:
        start = stream.read(64)
        stream.seek(0)
        if start.startswith(b"PK"):
            return _load_zip(path)
        if (
            start.startswith(b"\x80")
            and b"\x8a\x0a" + _LEGACY_MAGIC.to_bytes(10, "little") in start
        ):
            return _load_legacy(path, stream)
    shown = start[:40].decode("ascii", "replace").splitlines()[0] if start else "nothing"
    raise ValueError(
        f"{path} is no checkpoint: it begins with {shown!r}. Give a file of torch.save or "
        "safetensors; a page or a pointer in its place means that the download failed."
    )


def _load_zip(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
            entries = {one.filename.split("/", 1)[-1]: one for one in archive.infolist()}
            if "data.pkl" not in entries or "constants.pkl" in entries:
                raise ValueError(
                    f"{path} is a zip file but no checkpoint of torch.save. "
                    "Give the file with the state dict (`last.pth`)."
                )
            order = entries.get("byteorder")
            if order and archive.read(order) != b"little":
                raise ValueError(f"{path} was saved on a big-endian machine. Save it again here.")

            def storage_of(identity: tuple) -> Storage:
                _, kind, key, _, count = identity
                dtype = _dtype_of_storage(kind)
                start = _start_of(entries[f"data/{key}"], stream, count * dtype.itemsize)
                return Storage(
                    path=path, num_bytes=count * dtype.itemsize, dtype=dtype, start=start
                )

            if entries["data.pkl"].compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{path} is compressed, as torch.save leaves no file. Unpack it.")
            return read_pickle(BytesIO(archive.read(entries["data.pkl"])), storage_of, str(path))
    except _DAMAGED_ZIP as error:
        raise ValueError(
            f"{path} is cut off or damaged after {path.stat().st_size} bytes ({error}). "
            "Fetch it again."
        ) from error


def _start_of(entry: zipfile.ZipInfo, stream: BufferedIOBase, num_bytes: int) -> int:
    """First byte of a zip entry's content, which torch does not compress."""
    stream.seek(entry.header_offset)
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if signature != b"PK\x03\x04" or entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"its entry {entry.filename} is compressed or broken")
    if entry.file_size != num_bytes:
        raise ValueError(f"its entry {entry.filename} has {entry.file_size} bytes, not {num_bytes}")
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if start + num_bytes > stream.seek(0, 2):
        raise ValueError(f"its entry {entry.filename} lies beyond its end")
    return start


def _load_legacy(path: Path, stream: BufferedIOBase) -> Any:
    """Torch before 1.6: pickles one after another, then the storages, each behind its length."""
    storages: dict[str, Storage] = {}

    def storage_of(identity: tuple) -> Storage:
        _, kind, key, _, count, *_ = identity
        dtype = _dtype_of_storage(kind)
        whole = Storage(path=path, num_bytes=count * dtype.itemsize, dtype=dtype)
        return storages.setdefault(key, whole)

    pickles = [read_pickle(stream, storage_of, str(path)) for _ in range(5)]
    content, keys = pickles[3:]
    end = path.stat().st_size
    if keys != sorted(storages):
        raise ValueError(f"{path} is damaged: it lists other storages than it uses.")
    for key in keys:
        stream.seek(8, 1)
        storages[key].start = stream.tell()
        stream.seek(storages[key].num_bytes, 1)
        if stream.tell() > end:
            raise ValueError(f"{path} is cut off after {end} bytes. Fetch it again.")
    return content


def _dtype_of_storage(kind: Inert) -> torch.dtype:
    return _DTYPE_OF_STORAGE[kind.name.split(".")[-1].removesuffix("Storage").lstrip("_")]

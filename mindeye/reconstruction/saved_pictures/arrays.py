"""Pictures in npz, npy and hdf5 files: arrays `images` and `image_ids`."""

import zipfile
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Int, Shaped

from mindeye.nsd_layout import NUM_IMAGES
from mindeye.reconstruction.saved_pictures.stored import (
    Block,
    Rows,
    StoredPictures,
    channels_last,
    require_channels,
)

IMAGES, IDS, BRICK = "images", "image_ids", "imgBrick"
DAMAGED = (ValueError, EOFError, OSError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)
LARGEST_UNPACKED = 600_000_000
"""Bytes of a compressed array that is unpacked into memory; it cannot be read in parts."""


def open_npy(path: Path) -> StoredPictures:
    """One array; it cannot tell its ids.

    Raises:
        ValueError: damaged, or no stack of pictures.
    """
    array = _naming_damage(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
    return _of_array(path, "npy array", array, None)


def open_npz(path: Path) -> StoredPictures:
    """The arrays `images` and, where it is there, `image_ids`.

    Arrays that are not compressed stay on the disk.

    Raises:
        LookupError: no array `images`.
        ValueError: damaged, no stack of pictures, or compressed and too large for memory.
    """
    with _naming_damage(path, lambda: zipfile.ZipFile(path)) as archive:
        entries = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
    _require_images(path, entries)
    image_ids = None
    if IDS in entries:
        image_ids = _naming_damage(path, lambda: np.load(path, allow_pickle=False)[IDS])
    entry = entries[IMAGES]
    if entry.compress_type == zipfile.ZIP_STORED:
        images = _naming_damage(path, lambda: _mapped(path, entry))
    elif entry.file_size > LARGEST_UNPACKED:
        raise ValueError(
            f"{path}: `{IMAGES}` takes {entry.file_size / 1e6:.0f} MB unpacked and cannot be read "
            "in parts. Save it with np.savez, which does not compress, or as hdf5."
        )
    else:
        images = _naming_damage(path, lambda: np.load(path, allow_pickle=False)[IMAGES])
    return _of_array(path, "npz arrays", images, image_ids)


def open_hdf5(path: Path) -> StoredPictures:
    """Data sets `images` and `image_ids`, or NSD's `imgBrick`, whose rows are the ids.

    73,000 `images` without ids are NSD's pictures too (MindEye2's coco_images_224_float16.hdf5).

    Raises:
        LookupError: no data set of pictures.
        ValueError: damaged, or no stack of pictures.
    """
    with _naming_damage(path, lambda: h5py.File(path, "r")) as file:
        _require_images(path, file, (IMAGES, BRICK))
        name = IMAGES if IMAGES in file else BRICK
        shape, dtype = file[name].shape, file[name].dtype
        image_ids = _naming_damage(path, lambda: file[IDS][()]) if IDS in file else None
    is_nsd = name == BRICK or (image_ids is None and shape[0] == NUM_IMAGES)
    if is_nsd:
        image_ids = np.arange(shape[0])
    axis, _, height, width = require_channels(path, shape)
    return StoredPictures(
        path=path,
        form="all pictures of NSD in hdf5" if is_nsd else "hdf5 data sets",
        count=shape[0],
        image_ids=None if image_ids is None else _checked_ids(path, image_ids, shape[0]),
        size=(height, width),
        read=partial(_read_hdf5, path, name, axis),
        files=(path,),
        notes=_notes_of_array(shape, dtype, axis),
    )


def _of_array(
    path: Path, form: str, images: Shaped[np.ndarray, "..."], image_ids: np.ndarray | None
) -> StoredPictures:
    axis, _, height, width = require_channels(path, images.shape)
    return StoredPictures(
        path=path,
        form=form,
        count=len(images),
        image_ids=None if image_ids is None else _checked_ids(path, image_ids, len(images)),
        size=(height, width),
        read=partial(_read_array, images, axis),
        files=(path,),
        notes=_notes_of_array(images.shape, images.dtype, axis),
    )


def _mapped(path: Path, entry: zipfile.ZipInfo) -> Shaped[np.ndarray, "..."]:
    """An array of an npz file where it lies: behind its zip header and its own."""
    with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
        length = stream.tell()
    if dtype.hasobject:
        raise ValueError("it holds objects, not numbers")
    with path.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = np.frombuffer(stream.read(4), "<u2").tolist()
    start = entry.header_offset + 30 + name + extra + length
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _read_array(images: Shaped[np.ndarray, "..."], axis: int | None, rows: Rows) -> Block:
    if not isinstance(images, np.memmap):
        return channels_last(images[rows], axis)
    # Mapped anew for every block: pages that were read would else stay in memory.
    order = "F" if images.flags.f_contiguous and not images.flags.c_contiguous else "C"
    mapped = np.memmap(images.filename, images.dtype, "r", images.offset, images.shape, order)
    return channels_last(np.array(mapped[rows]), axis)


def _read_hdf5(path: Path, name: str, axis: int | None, rows: Rows) -> Block:
    with _naming_damage(path, lambda: h5py.File(path, "r")) as file:
        stored = file[name]
        # Row by row: h5py's list selection is far slower, and wants ascending rows.
        block = _naming_damage(path, lambda: np.stack([stored[row] for row in rows.tolist()]))
    return channels_last(block, axis)


def _require_images(path: Path, names: Iterable[str], wanted: tuple[str, ...] = (IMAGES,)) -> None:
    if not set(wanted) & set(names):
        raise LookupError(
            f"{path} holds {', '.join(names) or 'nothing'}, but the pictures are looked for as "
            f"`{wanted[0]}` and their ids as `{IDS}`. Save them under these names."
        )


def _checked_ids(path: Path, image_ids: np.ndarray, count: int) -> Int[np.ndarray, "images"]:
    whole = image_ids.astype(np.int64) if image_ids.dtype.kind in "iuf" else image_ids
    if image_ids.shape != (count,) or not np.array_equal(whole, image_ids) or whole.dtype != int:
        raise ValueError(
            f"{path}: `{IDS}` is {image_ids.dtype} {image_ids.shape}, but {count} whole numbers "
            f"are needed, one for each of `{IMAGES}`. Save the 73k ids of the pictures."
        )
    return whole


def _notes_of_array(shape: tuple[int, ...], dtype: np.dtype, axis: int | None) -> tuple[str, ...]:
    if axis is None or shape[axis] == 1:
        return ("All pictures are grey, and every channel of RGB became that grey.",)
    return ()


def _naming_damage(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DAMAGED as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error

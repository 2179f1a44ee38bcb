"""A folder of PNG and JPEG files, one a picture."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from mindeye.reconstruction.saved_pictures.file_names import image_ids_of
from mindeye.reconstruction.saved_pictures.stored import Block, Rows, StoredPictures

SUFFIXES = (".png", ".jpg", ".jpeg")
# What PIL raises for files that are cut off, damaged or no pictures.
_DAMAGED = (UnidentifiedImageError, OSError, SyntaxError, ValueError)
_GREY, _OPAQUE, _WITH_ALPHA = ("L", "1"), ("RGB",), ("LA", "RGBA", "PA")
_ORIENTATION = 0x0112


def open_picture_files(folder: Path) -> StoredPictures:
    """The pictures of a folder, in the order of their ids; each is decoded when it is read.

    Raises:
        FileNotFoundError: a folder without pictures.
        ValueError: a name that does not tell its image, a damaged file, other sizes, transparency,
            or a colour depth that has no single meaning in RGB.
    """
    files = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    paths = [one for one in files if one.suffix.lower() in SUFFIXES and one.is_file()]
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no picture ({len(files)} other entries). "
            "Give a folder of PNG or JPEG files that are named by image id."
        )
    image_ids = image_ids_of(paths)
    order = np.argsort(image_ids, kind="stable")
    paths = [paths[row] for row in order.tolist()]
    headers = [_header(path) for path in paths]
    _require_one_size(paths, headers)
    height, width = headers[0][:2]
    return StoredPictures(
        path=folder,
        form="folder of PNG and JPEG files",
        count=len(paths),
        image_ids=image_ids[order],
        size=(height, width),
        read=partial(_read, paths),
        files=tuple(paths),
        notes=tuple(_notes(paths, headers, len(files))),
        names=tuple(path.name for path in paths),
    )


def _header(path: Path) -> tuple[int, int, str, bool]:
    """Height, width, mode, and whether a camera's note turns the picture."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) != 1
            width, height = ImageOps.exif_transpose(image).size if turned else image.size
            mode = image.mode
            if mode == "P":
                mode = "RGBA" if "transparency" in image.info else "RGB"
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    if mode not in (*_GREY, *_OPAQUE, *_WITH_ALPHA):
        raise ValueError(
            f"{path} has mode {mode}, whose meaning in 8-bit RGB depends on who reads it. "
            "Save it as 8-bit RGB."
        )
    return height, width, mode, turned


def _require_one_size(paths: Sequence[Path], headers: Sequence[tuple]) -> None:
    first = headers[0][:2]
    for path, header in zip(paths, headers, strict=True):
        if header[:2] != first:
            raise ValueError(
                f"{paths[0].name} is {first[1]} x {first[0]} px, but {path.name} "
                f"{header[1]} x {header[0]} (both in {path.parent}). Metrics depend on the size: "
                "bring all pictures to one."
            )


def _notes(paths: Sequence[Path], headers: Sequence[tuple], num_entries: int) -> list[str]:
    kinds = {
        "grey, and every channel of RGB became that grey": [
            one[2] in ("L", "1", "LA") for one in headers
        ],
        "with an alpha channel that hides nothing, which was dropped": [
            one[2] in _WITH_ALPHA for one in headers
        ],
        "turned as their EXIF entry says": [one[3] for one in headers],
        "JPEG, which changes pixels a little": [path.suffix.lower() != ".png" for path in paths],
    }
    notes = [f"{sum(is_so)} of {len(paths)} pictures are {kind}." for kind, is_so in kinds.items()
             if any(is_so)]  # fmt: skip
    if num_entries > len(paths):
        notes.append(f"{num_entries - len(paths)} entries that are no PNG or JPEG were left out.")
    return notes


def _read(paths: Sequence[Path], rows: Rows) -> Block:
    return np.stack([_decoded(paths[row]) for row in rows.tolist()])


def _decoded(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            has_alpha = turned.mode in _WITH_ALPHA or "transparency" in turned.info
            if not has_alpha:
                return np.asarray(turned.convert("RGB"))
            pixels = np.asarray(turned.convert("RGBA"))
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    if pixels[..., 3].min() < 255:
        raise ValueError(
            f"{path} is transparent in places, and what lies behind it is not known. "
            "Save it on the background that it was shown on."
        )
    return pixels[..., :3]


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} cannot be read as a picture ({error}). Was it cut off? Copy it again."
    )

"""The pictures, which their owners hand out on request: the published archive, or one file each."""

import contextlib
import csv
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Int

from mindeye import laion_layout as layout
from mindeye.data.picture_files import PICTURE_SIDE, find_pictures, square_picture

Pictures = Iterator[tuple[int, np.ndarray]]


class Stimuli(NamedTuple):
    """Where the pictures of some images are."""

    read: Callable[[Int[np.ndarray, "images"]], Pictures]
    """Ascending image ids -> (row, picture)."""
    files: dict[str, Path]


def find_stimuli(folder: Path, name_of: Mapping[int, str]) -> Stimuli:
    """Every picture, found before anything is written.

    Args:
        folder: with the published archive and its table, or with files named as the images.
        name_of: image id -> name.

    Raises:
        FileNotFoundError: no folder, or a picture is missing.
        ValueError: a damaged archive or table, or two files for one image.
    """
    archive, table = folder / layout.STIMULI_ARCHIVE, folder / layout.STIMULI_TABLE
    if not archive.exists():
        paths = find_pictures(folder, name_of)
        files = {f"stimuli/{name_of[one]}": path for one, path in paths.items()}
        return Stimuli(partial(_from_files, paths), files)
    rows = {name: row for row, name in enumerate(names_of_table(table))}
    absent = [name for name in name_of.values() if name not in rows]
    if absent:
        raise FileNotFoundError(
            f"{table} does not name {len(absent)} images that were shown, first {absent[0]}. "
            "Is it of the same release as the betas?"
        )
    with _images(archive) as stored:
        if len(stored) != len(rows):
            raise ValueError(
                f"{archive} holds {len(stored)} pictures, but {table.name} has {len(rows)} rows. "
                "Fetch both again."
            )
    row_of = {image_id: rows[name] for image_id, name in name_of.items()}
    read = partial(_from_archive, archive, row_of, dict(name_of))
    return Stimuli(read, {archive.name: archive, table.name: table})


def names_of_table(path: Path) -> list[str]:
    """All images of the data set, in the order of the archive.

    Raises:
        FileNotFoundError: no such table.
        ValueError: no column `image_name`, or a name that stands twice.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch it with {layout.STIMULI_ARCHIVE}.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if "image_name" not in (reader.fieldnames or ()):
            raise ValueError(
                f"{path} has the columns {', '.join(reader.fieldnames or ())} and no `image_name`. "
                "Is it the table of stimuli?"
            )
        names = [row["image_name"] for row in reader]
    if len(set(names)) < len(names):
        raise ValueError(f"{path} names an image twice. Fetch it again.")
    return names


def _from_files(paths: Mapping[int, Path], image_ids: Int[np.ndarray, "images"]) -> Pictures:
    for row, image_id in enumerate(image_ids.tolist()):
        yield row, square_picture(paths[image_id], PICTURE_SIDE, behind=layout.BACKGROUND_GRAY)


def _from_archive(
    path: Path,
    row_of: Mapping[int, int],
    name_of: Mapping[int, str],
    image_ids: Int[np.ndarray, "images"],
) -> Pictures:
    with _images(path) as stored:
        for row, image_id in enumerate(image_ids.tolist()):
            try:
                content = bytes(stored[row_of[image_id]])
            except (OSError, RuntimeError) as error:
                raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
            place = path / name_of[image_id]
            yield (
                row,
                square_picture(place, PICTURE_SIDE, content=content, behind=layout.BACKGROUND_GRAY),
            )


@contextlib.contextmanager
def _images(path: Path) -> Iterator[h5py.Dataset]:
    """Encoded pictures as arrays of bytes of various lengths."""
    try:
        with h5py.File(path, "r") as file:
            if "images" not in file or file["images"].ndim != 1:
                raise KeyError(f"it has {list(file)} and no list `images`")
            yield file["images"]
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error

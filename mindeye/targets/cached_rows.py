"""What a frozen network says of each picture: computed once, kept on the disk, known by hashes."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float16, Int
from torch import Tensor

from mindeye.disk import require_free_space, reserve
from mindeye.files import (
    SHARED_MODE,
    atomic_folder,
    one_at_a_time,
    read_json,
    require_whole,
    sha256_of,
    write_json,
)
from mindeye.pictures import SavedPictures
from mindeye.targets.embedder import Embedder

EMBED_BATCH = 100
SCHEMA = 1
ROWS, MANIFEST, VERIFIED = "rows.npy", "manifest.json", "verified.json"


@dataclass(frozen=True, kw_only=True)
class CachedRows:
    """One row an image, mapped read-only from the disk."""

    place: Path
    image_ids: Int[np.ndarray, "images"]
    array: Float16[np.ndarray, "images *row"]

    def of(self, image_ids: Int[Tensor, "images"]) -> Float16[Tensor, "images *row"]:
        """Copies of some rows, as they are stored.

        Raises:
            LookupError: an id that has no row.
            ValueError: the file was cut off since it was opened.
        """
        require_whole(self.array)
        return torch.from_numpy(self.array[rows_of(self.image_ids, image_ids)])

    def verify(self) -> None:
        """Compares the file with its SHA-256: once, and again when the file looks touched.

        Raises:
            ValueError: it is not the file that was written.
        """
        found = _stamp(self.place / ROWS)
        stamp_path = self.place / VERIFIED
        if stamp_path.is_file() and read_json(stamp_path) == found:
            return
        expected = read_json(self.place / MANIFEST)["sha256"]
        actual = sha256_of(self.place / ROWS)
        if actual != expected:
            raise ValueError(
                f"{self.place / ROWS} has SHA-256 {actual[:12]}, its manifest says "
                f"{expected[:12]}: it changed since it was written. {_remedy(self.place)}"
            )
        try:
            write_json(stamp_path, found)
        except OSError:  # a read-only disk: then it is read again the next time
            return


def rows_of(
    known: Int[np.ndarray, "images"], image_ids: Int[Tensor, "wanted"]
) -> Int[np.ndarray, "wanted"]:
    """Where image ids stand among `known`, which ascend.

    Raises:
        LookupError: an id that is not there.
    """
    wanted = image_ids.numpy()
    rows = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    absent = wanted[known[rows] != wanted]
    if len(absent):
        raise LookupError(
            f"{len(absent)} images have no cached embedding, first id {int(absent[0])}. "
            "Run `mindeye prepare` again for this data set."
        )
    return rows


def cached_rows(
    folder: Path,
    pictures: SavedPictures,
    embedders: Sequence[Embedder],
    progress: Callable[[int, int], None] | None = None,
) -> list[CachedRows]:
    """Opens each network's rows of these pictures in `folder`, or makes those that are absent.

    Several processes may call it at once: one embeds, the others wait. What is cut off by a kill
    is embedded anew, view by view.

    Args:
        progress: told how many pictures of how many are embedded, over all that is absent.

    Raises:
        FloatingPointError: a row does not fit into float16.
        OSError: no room on the disk; nothing was embedded then.
        ValueError: the pictures are not those that were written, or what lies there is of other
            pictures or damaged.
    """
    if any(not (folder / one.name).exists() for one in embedders):
        with one_at_a_time(folder):
            absent = [one for one in embedders if not (folder / one.name).exists()]
            if absent:
                pictures.verify()
                num_bytes = sum(one.num_bytes(len(pictures.image_ids)) for one in absent)
                require_free_space(folder, num_bytes, "The embedding cache")
            num_images = len(pictures.image_ids)
            for place, one in enumerate(absent):
                for done in _embed(folder / one.name, pictures, one):
                    if progress:
                        progress(place * num_images + done, len(absent) * num_images)
    return [open_rows(folder, pictures, one) for one in embedders]


def open_rows(folder: Path, pictures: SavedPictures, embedder: Embedder) -> CachedRows:
    """Opens rows that are there; reads the manifest and the file's size, not the file.

    Raises:
        ValueError: they are of other pictures, or not those that were written.
    """
    place = folder / embedder.name
    for name in (MANIFEST, ROWS):
        if not (place / name).is_file():
            raise ValueError(f"{place} lacks {name}. {_remedy(place)}")
    manifest, expected = read_json(place / MANIFEST), _contents(pictures, embedder)
    found = manifest if isinstance(manifest, dict) else {}
    differing = [key for key in expected if found.get(key) != expected[key]]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{place / MANIFEST} tells of other rows than these: {key} is {found.get(key)}, not "
            f"{expected[key]}. {_remedy(place)}"
        )
    size = (place / ROWS).stat().st_size
    if size != found.get("num_bytes"):
        raise ValueError(
            f"{place / ROWS} has {size} bytes, but {found.get('num_bytes')} were written. "
            f"{_remedy(place)}"
        )
    array = np.load(place / ROWS, mmap_mode="r", allow_pickle=False)
    return CachedRows(place=place, image_ids=pictures.image_ids, array=array)


def _contents(pictures: SavedPictures, embedder: Embedder) -> dict[str, Any]:
    """What a manifest must say to be of these pictures and this network."""
    return {
        "schema": SCHEMA,
        "role": embedder.role,
        "network": embedder.identity,
        "view": dict(embedder.view.settings) if embedder.view else None,
        "shape": [len(pictures.image_ids), *embedder.row_shape],
        "dtype": "float16",
        "image_ids_sha256": pictures.ids_hash,
        "pictures_sha256": pictures.sha256,
    }


def _embed(place: Path, pictures: SavedPictures, embedder: Embedder) -> Iterator[int]:
    """Writes one folder of the cache, whole or not at all; yields how many images are done."""
    digest = hashlib.sha256()
    try:
        with atomic_folder(place) as folder:
            with (folder / ROWS).open("wb") as stream:
                yield from _write_rows(stream, digest, pictures, embedder)
            (folder / ROWS).chmod(SHARED_MODE)
            stamp = _stamp(folder / ROWS)
            written = {"num_bytes": stamp["num_bytes"], "sha256": digest.hexdigest()}
            write_json(folder / MANIFEST, {**_contents(pictures, embedder), **written})
            write_json(folder / VERIFIED, stamp)
    except FileExistsError:
        # Another process was faster, where the disk cannot lock: what it wrote is opened.
        return


def _write_rows(
    stream: BinaryIO, digest: Any, pictures: SavedPictures, embedder: Embedder
) -> Iterator[int]:
    """Embeds block by block; `digest` sees every byte that is written."""
    num_images = len(pictures.image_ids)
    shape = (num_images, *embedder.row_shape)
    header = io.BytesIO()
    layout = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    # Written through the stream: a full disk would end a memory map's process without a word.
    reserve(stream, header.tell() + embedder.num_bytes(num_images))
    stream.write(header.getvalue())
    digest.update(header.getvalue())
    for start in range(0, num_images, EMBED_BATCH):
        block = slice(start, min(start + EMBED_BATCH, num_images))
        content = _embedded(pictures, embedder, block).numpy().astype("<f2").tobytes()
        stream.write(content)
        digest.update(content)
        yield block.stop
    # `verified.json` vouches for what is on the disk: after a power cut, what was not yet there
    # would be zeros of the right size and time.
    stream.flush()
    os.fsync(stream.fileno())


def _embedded(
    pictures: SavedPictures, embedder: Embedder, block: slice
) -> Float16[Tensor, "images *row"]:
    images = pictures.images(block)
    if embedder.view:
        images = embedder.view.change(images, pictures.image_ids[block])
    with torch.inference_mode():
        rows = embedder.embed(images.to(embedder.device)).half().cpu()
    finite = rows.isfinite().flatten(1).all(1).numpy()
    if not finite.all():
        raise FloatingPointError(
            f"{embedder.name} of image {int(pictures.image_ids[block][~finite][0])} is not finite "
            "in float16. Are the network's weights those that were published?"
        )
    return rows


def _stamp(path: Path) -> dict[str, int]:
    """Changes whenever the file's content may have."""
    status = path.stat()
    return {
        "num_bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
    }


def _remedy(place: Path) -> str:
    return f"Delete the folder {place} and run the same command again: it is then embedded anew."

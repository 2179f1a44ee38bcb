"""The folder of a gallery's index: which is current, what it knows, and opening it.

| file in `G/index/` | |
|---|---|
| `current.json` | the folder of the index that is searched; replaced in one step |
| `NAME/index.json` | kind, settings, shards, what was measured, checksums |
| `NAME/cells.faiss`, `sizes.npy`, `lists.bin` | centroids and codec; lengths of lists; the lists |
| `NAME/graph.faiss` | of HNSW, in place of these |
| `NAME/indexed.npy` | a bit a gallery row: is it in the index? |
| `building/` | work in progress |

Whoever has an index open keeps it while the next is built and takes its place.
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from jaxtyping import Bool

from mindeye.files import read_json, sha256_of, write_json
from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex
from mindeye.retrieval.gallery.index.inverted_file import opened
from mindeye.retrieval.gallery.index.record import RECORD, IndexRecord, read_record, shard_marks

CELLS, SIZES, LISTS, GRAPH = "cells.faiss", "sizes.npy", "lists.bin", "graph.faiss"
INDEXED, CURRENT = "indexed.npy", "current.json"


def current_folder(gallery: Gallery) -> Path | None:
    """Of the index that is searched.

    Raises:
        ValueError: what should name it does not.
    """
    pointer = gallery.path / "index" / CURRENT
    if not pointer.is_file():
        return None
    try:
        return gallery.path / "index" / read_json(pointer)["folder"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{pointer} does not name the folder of an index. {_AGAIN}") from error


def require_current(gallery: Gallery) -> Path:
    """Folder of the index that is searched.

    Raises:
        FileNotFoundError: there is none.
    """
    folder = current_folder(gallery)
    if folder is None:
        raise FileNotFoundError(
            f"{gallery.path} has no index. Run `mindeye gallery index {gallery.path}`."
        )
    return folder


def make_current(gallery: Gallery, folder: Path) -> None:
    write_json(gallery.path / "index" / CURRENT, {"folder": folder.name})


def make_exact(gallery: Gallery) -> None:
    """Leaves the index out of use."""
    (gallery.path / "index" / CURRENT).unlink(missing_ok=True)


def open_index(gallery: Gallery) -> VectorIndex:
    """The gallery's index; exact search where it has none.

    Raises:
        ValueError: the index is of other shards, lacks some, or its files were cut off.
    """
    folder = current_folder(gallery)
    if folder is None:
        return ExactIndex(gallery)
    record = read_record(folder)
    lacking = require_of_gallery(record, gallery)
    if lacking:
        raise ValueError(
            f"The index of {gallery.path} lacks {lacking} newer shards, the first of them "
            f"{gallery.shards[-lacking].name}. Run `mindeye gallery index {gallery.path}` to add "
            "them."
        )
    require_files(folder, record)
    same = record.shards == shard_marks(gallery)
    return opened_files(gallery, folder, record.probes, record.candidates, same_rows=same)


def opened_files(
    gallery: Gallery, folder: Path, probes: int, candidates: int, *, same_rows: bool
) -> FaissIndex:
    """The index in a folder, whether current or not.

    Args:
        same_rows: whether the same rows can be found as when it was made.

    Raises:
        ValueError: a filter has let rows in that it does not hold.
    """
    if (folder / GRAPH).is_file():
        index = faiss.read_index(str(folder / GRAPH))
    else:
        inverted = opened(folder / CELLS)
        inverted.use_lists(folder / LISTS, np.load(folder / SIZES, allow_pickle=False))
        index = inverted.index
    findable = None
    # A grown index may still hold rows that were dropped before.
    if not (same_rows and index.ntotal == gallery.num_kept):
        findable = findable_rows(gallery)
        require_indexed(gallery, folder, findable)
    return FaissIndex(gallery, index, probes=probes, candidates=candidates, findable=findable)


def require_of_gallery(record: IndexRecord, gallery: Gallery) -> int:
    """Compares an index's shards with a gallery's; gives how many at the end are not in it.

    Raises:
        ValueError: it is of another gallery, or of one that has changed otherwise.
    """
    again = f"Run `mindeye gallery index {gallery.path}` to make one of this gallery."
    if (record.network, record.width) != (gallery.network, gallery.width):
        raise ValueError(
            f"The index of {gallery.path} is of vectors of {record.network} with {record.width} "
            f"numbers, the gallery of {gallery.network} with {gallery.width}. {again}"
        )
    here = [(one.name, one.first, one.count, one.sha256) for one in gallery.shards]
    there = [(one["name"], one["first"], one["count"], one["sha256"]) for one in record.shards]
    for number, shard in enumerate(there):
        if number >= len(here) or shard != here[number]:
            raise ValueError(
                f"The index of {gallery.path} was made of another gallery: its shard {shard[0]} "
                f"is not here, or has other vectors. {again}"
            )
    return len(here) - len(there)


def findable_rows(gallery: Gallery) -> Bool[np.ndarray, "rows"]:
    found = np.zeros(gallery.num_rows, dtype=bool)
    for shard in gallery.shards:
        found[shard.first + gallery.kept_rows(shard)] = True
    return found


def require_indexed(gallery: Gallery, folder: Path, rows: Bool[np.ndarray, "rows"]) -> None:
    """Refuses rows that a filter has let in since the index was made.

    Raises:
        ValueError: how many, and the first.
    """
    indexed = np.unpackbits(np.load(folder / INDEXED, allow_pickle=False), bitorder="little")
    lacking = np.flatnonzero(rows[: len(indexed)] & ~indexed[: len(rows)].astype(bool))
    if len(lacking):
        raise ValueError(
            f"{len(lacking)} rows of {gallery.path} can be found since its filters changed, the "
            f"first of them {lacking[0]}, but are not in its index. Run "
            f"`mindeye gallery index {gallery.path}`."
        )


def checksums(folder: Path) -> dict[str, dict[str, Any]]:
    """Of all files of an index."""
    return {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.name != RECORD and path.is_file()
    }


def check_files(folder: Path) -> int:
    """Reads an index's files whole and compares their checksums; gives their bytes.

    Raises:
        ValueError: which file is another.
    """
    record = read_record(folder)
    require_files(folder, record)
    for name, known in record.files.items():
        if sha256_of(folder / name) != known["sha256"]:
            raise ValueError(f"{folder / name} has changed. {_AGAIN}")
    return sum(known["bytes"] for known in record.files.values())


_AGAIN = "Delete the folder `index` of this gallery, and run `mindeye gallery index` again."


def require_files(folder: Path, record: IndexRecord) -> None:
    """Refuses files of another length than those that were written.

    Raises:
        ValueError: which, and both lengths.
    """
    for name, known in record.files.items():
        size = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if size != known["bytes"]:
            raise ValueError(
                f"{folder / name} has {size} bytes, but was written with {known['bytes']}. {_AGAIN}"
            )

"""Which rows of a gallery show what an earlier row shows already.

Of pictures that are the same file, or nearly the same to the network, the first stays. A row is
left out only for one that stays: a chain of small changes is not drawn together by its ends.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64

from mindeye.files import load_arrays, save_arrays
from mindeye.retrieval.gallery.blocks import Block, embedding_blocks
from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.metadata import open_table

# Rows that are compared with a block at once.
CHUNK = 2048
# Neighbours that an index is asked for; of more copies than these the last may stay.
NEIGHBOURS = 32

_PICTURE, _HASH = "sha256", "hash"
"""Columns that tell a picture: of its bytes; of LAION's url and caption."""


class Duplicates(NamedTuple):
    """Rows to leave out, ascending."""

    rows: Int64[np.ndarray, "duplicates"]
    first: Int64[np.ndarray, "duplicates"]
    """The row that stays for each."""
    cosine: Float32[np.ndarray, "duplicates"]
    """1 for the same file."""


def same_pictures(gallery: Gallery) -> Duplicates:
    """Rows that can be found and have the file, or the address and caption, of an earlier one."""
    rows, keys = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for shard in gallery.shards:
        if shard.metadata is None:
            continue
        found = _keys(gallery.path / shard.metadata)
        kept = gallery.kept_rows(shard)
        kept = kept[found.known[kept]]
        rows.append(shard.first + kept)
        keys.append(found.keys[kept])
    every_row, every_key = np.concatenate(rows), np.concatenate(keys)
    _, place, key_of = np.unique(every_key, return_index=True, return_inverse=True)
    first = every_row[place][key_of]
    again = first != every_row
    return Duplicates(every_row[again], first[again], np.ones(int(again.sum()), dtype=np.float32))


class _Keys(NamedTuple):
    keys: np.ndarray
    known: Bool[np.ndarray, "_rows"]


def _keys(path: Path) -> _Keys:
    """64 bits of what tells each picture of a file of metadata."""
    with open_table(path) as file:
        names = file.schema_arrow.names
        column = next((name for name in (_PICTURE, _HASH) if name in names), None)
        if column is None:
            nothing = np.zeros(file.metadata.num_rows, dtype=np.uint64)
            return _Keys(nothing, nothing.astype(bool))
        keys, known = [np.empty(0, np.uint64)], [np.empty(0, bool)]
        for batch in file.iter_batches(columns=[column]):
            values = batch.column(column).to_pylist()
            known.append(np.array([one is not None for one in values], dtype=bool))
            keys.append(np.array([_key(one) for one in values], dtype=np.uint64))
    return _Keys(np.concatenate(keys), np.concatenate(known))


def _key(value: str | int | None) -> int:
    return int.from_bytes(hashlib.blake2b(str(value).encode(), digest_size=8).digest(), "little")


Progress = Callable[[int, int], None]


def near_duplicates(
    gallery: Gallery,
    above: float,
    without: Bool[np.ndarray, "rows"],
    work: Path,
    index: VectorIndex | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Rows whose cosine with an earlier row that stays is at least `above`.

    Args:
        without: rows that are left out already.
        work: a folder that keeps each finished block, so that a killed search goes on.
        index: finds the candidates; None compares every pair.
        progress: is told how many rows are done, and how many there are.
    """
    dropped, found = without.copy(), []
    done = 0
    for number, block in enumerate(_unit_blocks(gallery)):
        path = work / f"{number:06d}.safetensors"
        if path.is_file():
            part = Duplicates(**load_arrays(path))
        else:
            earlier = _first_blocks(gallery, number)
            part = (
                _by_pairs(block, earlier, above, dropped)
                if index is None
                else _by_index(block, index, above, dropped, gallery.num_kept)
            )
            save_arrays(path, part._asdict())
        dropped[part.rows] = True
        found.append(part)
        done += len(block.rows)
        if progress is not None:
            progress(done, gallery.num_kept)
    columns = zip(*found, strict=True)
    return Duplicates(*(np.concatenate(column) for column in columns))


def _unit_blocks(gallery: Gallery) -> Iterator[Block]:
    """At length 1 beyond what float16 holds: a vector and its copy have a cosine of 1."""
    for block in embedding_blocks(gallery):
        unit = block.vectors / np.linalg.norm(block.vectors, axis=1, keepdims=True)
        yield Block(block.rows, unit, unit)


def _first_blocks(gallery: Gallery, number: int) -> Iterator[Block]:
    for place, block in enumerate(_unit_blocks(gallery)):
        if place == number:
            return
        yield block


def _by_pairs(
    block: Block, earlier: Iterator[Block], above: float, dropped: Bool[np.ndarray, "rows"]
) -> Duplicates:
    first = np.full(len(block.rows), -1)
    cosine = np.zeros(len(block.rows), dtype=np.float32)
    open_rows = np.flatnonzero(~dropped[block.rows])
    for rows, vectors, _ in earlier:
        staying = np.flatnonzero(~dropped[rows])
        if not len(staying):
            continue
        candidates = vectors[staying]
        for start in range(0, len(open_rows), CHUNK):
            places = open_rows[start : start + CHUNK]
            scores = block.vectors[places] @ candidates.T
            alike = scores >= above
            hit = np.flatnonzero(alike.any(1))
            earliest = alike[hit].argmax(1)
            first[places[hit]] = rows[staying[earliest]]
            cosine[places[hit]] = scores[hit, earliest]
        open_rows = open_rows[first[open_rows] < 0]
    _within(block, open_rows, above, first, cosine)
    places = np.flatnonzero(first >= 0)
    return Duplicates(block.rows[places], first[places], cosine[places])


def _within(block: Block, open_rows: np.ndarray, above: float, first, cosine) -> None:
    """The same among the rows of one block, of which the earliest stays."""
    vectors, stays = block.vectors[open_rows], np.ones(len(open_rows), dtype=bool)
    for start in range(0, len(open_rows), CHUNK):
        scores = vectors[start : start + CHUNK] @ vectors[: start + CHUNK].T
        alike = np.tril(scores >= above, start - 1)
        for place in np.flatnonzero(alike.any(1)):
            staying = alike[place] & stays[: alike.shape[1]]
            if staying.any():
                earliest = int(staying.argmax())
                stays[start + place] = False
                first[open_rows[start + place]] = block.rows[open_rows[earliest]]
                cosine[open_rows[start + place]] = scores[place, earliest]


def _by_index(
    block: Block,
    index: VectorIndex,
    above: float,
    dropped: Bool[np.ndarray, "rows"],
    num_kept: int,
) -> Duplicates:
    found = index.search(block.vectors, min(NEIGHBOURS, num_kept))
    rows, first, cosine = [], [], []
    gone = dropped.copy()
    for row, scores, others in zip(block.rows, found.scores, found.rows, strict=True):
        alike = [
            (int(other), float(score))
            for other, score in zip(others, scores, strict=True)
            if score >= above and 0 <= other < row and not gone[other]
        ]
        if alike and not gone[row]:
            earliest, score = min(alike)
            rows.append(int(row))
            first.append(earliest)
            cosine.append(score)
            gone[row] = True
    return Duplicates(
        np.array(rows, dtype=np.int64),
        np.array(first, dtype=np.int64),
        np.array(cosine, dtype=np.float32),
    )

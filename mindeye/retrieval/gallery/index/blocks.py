"""What one shard adds to an index: a block of codes sorted by list; and all blocks made one file.

A block file is whole or absent, so that a build that was killed goes on with the shards that have
none, and shards may be encoded by several machines.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8
from safetensors import safe_open

from mindeye.disk import reserve
from mindeye.files import atomic_path, load_arrays, save_arrays
from mindeye.retrieval.gallery.folder import Gallery, GalleryShard
from mindeye.retrieval.gallery.index.coarse import Precision
from mindeye.retrieval.gallery.index.inverted_file import ROW_BYTES, InvertedFile
from mindeye.retrieval.gallery.stored_rows import float32_of

# Vectors that are read and encoded at once: at 768 numbers each, 50 MB of float32.
BLOCK = 16_384
NORM_TOLERANCE = 0.02
ListBytes = tuple[np.ndarray, np.ndarray]


class ListBlock(NamedTuple):
    """Codes and gallery rows of some vectors, list after list."""

    sizes: Int64[np.ndarray, "lists"]
    codes: UInt8[np.ndarray, "vectors code"]
    rows: Int64[np.ndarray, "vectors"]

    def lists(self) -> Iterator[ListBytes]:
        """Of each list the bytes of its codes, and of its rows."""
        ends = np.cumsum(self.sizes).tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield self.codes[start:end].reshape(-1), self.rows[start:end].view(np.uint8)


class ListFile(NamedTuple):
    """The lists of an index on the disk, so that more can be merged to them."""

    sizes: Int64[np.ndarray, "lists"]
    path: Path
    code_bytes: int

    def lists(self) -> Iterator[ListBytes]:
        """See `ListBlock.lists`; reads list after list."""
        with self.path.open("rb") as stream:
            for size in self.sizes.tolist():
                parts = (stream.read(size * one) for one in (self.code_bytes, ROW_BYTES))
                codes, rows = (np.frombuffer(part, dtype=np.uint8) for part in parts)
                yield codes, rows


def open_shard(gallery: Gallery, shard: GalleryShard) -> Float16[np.ndarray, "rows width"]:
    """A shard's embeddings, if they are what the gallery says.

    Raises:
        FileNotFoundError: the file is gone.
        ValueError: it is cut off, or has another width, length or type.
    """
    path = gallery.path / shard.embeddings
    again = "Restore that file, or build the gallery again."
    if not path.is_file():
        raise FileNotFoundError(f"{path} of shard {shard.name} is missing. {again}")
    try:
        vectors = gallery.embeddings(shard)
    except ValueError as error:
        raise ValueError(
            f"{path} of shard {shard.name} is cut off ({error.__cause__}). {again}"
        ) from error
    if vectors.shape != (shard.count, gallery.width) or vectors.dtype != np.float16:
        raise ValueError(
            f"{path} of shard {shard.name} holds {vectors.dtype} of {vectors.shape}, but the "
            f"gallery says float16 of {(shard.count, gallery.width)}. {again}"
        )
    return vectors


def encode_shard(
    gallery: Gallery, shard: GalleryShard, inverted: InvertedFile, precision: Precision
) -> ListBlock:
    """Codes of the rows of a shard that can be found.

    Raises:
        ValueError: see `open_shard`; or a vector that is not of length 1.
    """
    vectors, kept = open_shard(gallery, shard), gallery.kept_rows(shard)
    cells, codes = np.empty(len(kept), dtype=np.int64), []
    for start in range(0, len(kept), BLOCK):
        rows = kept[start : start + BLOCK]
        together = len(rows) == rows[-1] - rows[0] + 1
        block = float32_of(vectors[rows[0] : rows[-1] + 1] if together else vectors[rows])
        require_unit(block, shard, rows)
        cells[start : start + BLOCK], some = inverted.encoded(block, precision)
        codes.append(some)
    order = np.argsort(cells, kind="stable")
    empty = np.empty((0, inverted.code_bytes), dtype=np.uint8)
    return ListBlock(
        sizes=np.bincount(cells, minlength=inverted.num_lists).astype(np.int64),
        codes=np.concatenate([empty, *codes])[order],
        rows=(shard.first + kept[order]).astype(np.int64),
    )


def save_block(path: Path, block: ListBlock) -> None:
    save_arrays(path, block._asdict())


def load_block(path: Path) -> ListBlock:
    return ListBlock(**load_arrays(path))


def block_sizes(path: Path) -> Int64[np.ndarray, "lists"]:
    """Of a block's lists, without reading their codes."""
    with safe_open(path, framework="numpy") as content:
        return content.get_tensor("sizes")


def merge_blocks(
    blocks: Sequence[Callable[[], ListBlock | ListFile]],
    sizes: Int64[np.ndarray, "lists"],
    code_bytes: int,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the lists of all blocks in one file, as faiss maps it: codes, then rows of each list.

    Within a list, vectors stand in the order of the blocks. One block at a time is in memory.

    Args:
        blocks: what loads each.
        sizes: of the lists of all blocks together.
    """
    ends = np.cumsum(sizes * (code_bytes + ROW_BYTES))
    # Where the next codes and the next rows of each list go.
    codes_at = ends - sizes * (code_bytes + ROW_BYTES)
    rows_at = ends - sizes * ROW_BYTES
    with atomic_path(out, durable=True) as temporary:
        with temporary.open("wb") as stream:
            stream.truncate(int(ends[-1]))
            reserve(stream, int(ends[-1]))
        content = np.memmap(temporary, dtype=np.uint8, mode="r+", shape=(int(ends[-1]),))
        for done, load in enumerate(blocks):
            for number, parts in enumerate(load().lists()):
                for part, at in zip(parts, (codes_at, rows_at), strict=True):
                    content[at[number] : at[number] + len(part)] = part
                    at[number] += len(part)
            if progress is not None:
                progress(done + 1, len(blocks))
        content.flush()
        del content


def require_unit(
    block: Float32[np.ndarray, "rows width"], shard: GalleryShard, rows: np.ndarray
) -> None:
    """Refuses vectors that are not of length 1, or not numbers.

    Raises:
        ValueError: the first of them.
    """
    lengths = np.linalg.norm(block, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= NORM_TOLERANCE))
    if len(wrong):
        raise ValueError(
            f"Row {rows[wrong[0]]} of shard {shard.name} has length {lengths[wrong[0]]:.3g}, not 1."
            " Were these embeddings not normalised, or damaged? Build the gallery again."
        )

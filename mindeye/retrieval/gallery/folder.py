"""A gallery: a folder that names shards of embeddings, which stay where they lie.

| file | |
|---|---|
| `gallery.json` | whose embeddings these are, and every shard |
| `embeddings/NAME.npy` | (rows, width) float16 unit vectors, where the gallery made them itself |
| `metadata/NAME.parquet` | one row a vector: url, path, caption, ... |
| `kept/NAME.npy` | ascending rows that filters and duplicates have left; absent: all |
| `index/` | see `mindeye.retrieval.gallery.index_folder` |

A vector is known by its gallery row: the first row of its shard plus its row in the shard's file.
Filters change which rows can be found, never what a row means.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int

from mindeye.files import read_json, write_json

MANIFEST = "gallery.json"


@dataclass(frozen=True, kw_only=True)
class GalleryShard:
    """Embeddings of one file."""

    name: str
    first: int
    """Gallery row of its first vector."""
    count: int
    """Vectors in its file."""
    num_kept: int
    """Of these, how many can be found."""
    embeddings: Path
    """.npy file; relative paths are in the gallery."""
    metadata: Path | None = None
    kept: Path | None = None
    sha256: str
    """Of the embeddings' file."""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """An open gallery; embeddings are read when they are asked for."""

    path: Path
    network: str
    """Identity of the network that embedded the pictures; queries must come from the same."""
    width: int
    shards: tuple[GalleryShard, ...]
    about: dict[str, Any]
    """Source, filters, counts of what was dropped, and SIMULATED's text where it applies."""

    @property
    def num_rows(self) -> int:
        """Gallery rows, also those that cannot be found."""
        return self.shards[-1].first + self.shards[-1].count if self.shards else 0

    @property
    def num_kept(self) -> int:
        """Vectors that can be found."""
        return sum(shard.num_kept for shard in self.shards)

    def embeddings(self, shard: GalleryShard) -> Float16[np.ndarray, "rows width"]:
        """A memory map of one shard's file."""
        return np.load(self.path / shard.embeddings, mmap_mode="r", allow_pickle=False)

    def kept_rows(self, shard: GalleryShard) -> Int[np.ndarray, "kept"]:
        """Rows of the shard's file that can be found, ascending."""
        if shard.kept is None:
            return np.arange(shard.count)
        return np.load(self.path / shard.kept, allow_pickle=False)

    def vectors(self, rows: Int[np.ndarray, "rows"]) -> Float32[np.ndarray, "rows width"]:
        """Embeddings of some gallery rows, in their order; reads no more than these."""
        found = np.empty((len(rows), self.width), dtype=np.float32)
        shard_of = np.searchsorted(self._firsts, rows, side="right") - 1
        for number in np.unique(shard_of):
            shard, places = self.shards[number], np.flatnonzero(shard_of == number)
            found[places] = self.embeddings(shard)[rows[places] - shard.first]
        return found

    @cached_property
    def _firsts(self) -> Int[np.ndarray, "shards"]:
        return np.array([shard.first for shard in self.shards])


def open_gallery(path: Path) -> Gallery:
    """Reads a gallery's manifest.

    Raises:
        FileNotFoundError: no gallery there.
    """
    if not (path / MANIFEST).is_file():
        raise FileNotFoundError(
            f"{path} is no gallery: {MANIFEST} is missing. Build one with `mindeye gallery build`."
        )
    manifest = read_json(path / MANIFEST)
    shards = tuple(
        GalleryShard(
            **{
                name: Path(value)
                if name in ("embeddings", "metadata", "kept") and value is not None
                else value
                for name, value in one.items()
            }
        )
        for one in manifest["shards"]
    )
    return Gallery(
        path=path,
        network=manifest["network"],
        width=manifest["width"],
        shards=shards,
        about=manifest["about"],
    )


def write_gallery(
    path: Path, *, network: str, width: int, shards: Sequence[GalleryShard], about: dict[str, Any]
) -> Gallery:
    """Writes a gallery's manifest whole or not at all, and opens it."""
    rows = [
        {name: str(value) if isinstance(value, Path) else value for name, value in one.items()}
        for one in (asdict(shard) for shard in shards)
    ]
    content = {"network": network, "width": width, "shards": rows, "about": about}
    write_json(path / MANIFEST, content)
    return open_gallery(path)

"""A gallery: a folder that names shards of embeddings, which stay where they lie.

| file | |
|---|---|
| `gallery.json` | whose embeddings these are, and every shard |
| `embeddings/NAME.npy` | (rows, width) float16 unit vectors, where the gallery made them itself |
| `metadata/NAME.parquet` | one row a vector: url, path, caption, ... |
| `tokens/NAME.npy` | (rows, tokens, width) float16, where they were asked for |
| `kept/NAME.npy` | ascending rows that filters and duplicates have left; absent: all |
| `index/` | see `mindeye.retrieval.gallery.index.folder` |

A vector is known by its gallery row: the first row of its shard plus its row in the shard's file.
Filters change which rows can be found, never what a row means.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int

from mindeye.files import atomic_path, read_json, write_json
from mindeye.retrieval.gallery.metadata import table_rows
from mindeye.retrieval.gallery.stored_rows import map_scattered, scattered_rows, stored_array

MANIFEST = "gallery.json"
PATHS = ("embeddings", "metadata", "kept", "tokens")
"""Fields of a shard that are paths."""


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
    metadata_bytes: int | None = None
    """Size of that file where others wrote it; None: the gallery did, or an earlier version."""
    kept: Path | None = None
    tokens: Path | None = None
    """.npy file of (rows, tokens, width) float16: all tokens of the pictures, where they were asked
    for."""
    source: int = 0
    """Its number in `about["sources"]`."""
    sha256: str
    """Of the embeddings' file; after `quick:` only of its size and of samples."""


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
        return stored_array(self.path / shard.embeddings)

    def kept_rows(self, shard: GalleryShard) -> Int[np.ndarray, "kept"]:
        """Rows of the shard's file that can be found, ascending."""
        if shard.kept is None:
            return np.arange(shard.count)
        return stored_array(self.path / shard.kept, mapped=False)

    def tokens(self, shard: GalleryShard) -> Float16[np.ndarray, "rows tokens width"] | None:
        """A memory map of all tokens of one shard, where the gallery holds them."""
        if shard.tokens is None:
            return None
        return stored_array(self.path / shard.tokens)

    def vectors(self, rows: Int[np.ndarray, "rows"]) -> Float32[np.ndarray, "rows width"]:
        """Embeddings of some gallery rows, in their order; reads no more than these."""
        found = np.empty((len(rows), self.width), dtype=np.float32)
        for number, places in self.places_of(rows).items():
            shard = self.shards[number]
            mapped = map_scattered(self.path / shard.embeddings)
            found[places] = scattered_rows(mapped, rows[places] - shard.first)
        return found

    def records(
        self, rows: Int[np.ndarray, "rows"], columns: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """Metadata of gallery rows in their order: the source's columns, and `row`.

        Reads only the row groups that hold them.

        Args:
            columns: of these, those that a shard has; None: all.

        Raises:
            LookupError: no such gallery row.
            FileNotFoundError: a file of metadata is gone.
            ValueError: one cannot be read, is shorter than its shard, or was replaced.
        """
        found: list[dict[str, Any]] = [{} for _ in rows]
        for number, places in self.places_of(rows).items():
            shard = self.shards[number]
            told: list[dict[str, Any]] = [{} for _ in places]
            if shard.metadata is not None:
                _require_same_metadata(self.path / shard.metadata, shard.metadata_bytes)
                told = table_rows(self.path / shard.metadata, rows[places] - shard.first, columns)
            for place, one in zip(places, told, strict=True):
                found[place] = {**one, "row": int(rows[place])}
        return found

    def places_of(self, rows: Int[np.ndarray, "rows"]) -> dict[int, Int[np.ndarray, "_places"]]:
        """Number of a shard -> places in `rows` that it holds, ascending.

        Raises:
            LookupError: a row that no shard holds.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.num_rows:
            raise LookupError(
                f"Rows from {rows.min()} to {rows.max()} are asked for, but {self.path} has "
                f"{self.num_rows}. Was it built again since its index was made?"
            )
        shard_of = np.searchsorted(self._firsts, rows, side="right") - 1
        # A shard without a vector begins where the next one does, and the last of them is found.
        return {int(number): np.flatnonzero(shard_of == number) for number in np.unique(shard_of)}

    def source_of(self, row: int) -> dict[str, Any]:
        """What is known of the source that a gallery row came from."""
        (number,) = self.places_of(np.array([row]))
        sources = self.about.get("sources", [{}])
        return sources[self.shards[number].source]

    @cached_property
    def _firsts(self) -> Int[np.ndarray, "shards"]:
        return np.array([shard.first for shard in self.shards])


def open_gallery(path: Path) -> Gallery:
    """Reads a gallery's manifest.

    Raises:
        FileNotFoundError: no gallery there.
        ValueError: the file is damaged, or something else's.
    """
    if not (path / MANIFEST).is_file():
        raise FileNotFoundError(
            f"{path} is no gallery: {MANIFEST} is missing. Build one with `mindeye gallery build`."
        )
    manifest = read_json(path / MANIFEST)
    try:
        shards = tuple(
            GalleryShard(
                **{
                    name: Path(value) if name in PATHS and value is not None else value
                    for name, value in one.items()
                }
            )
            for one in manifest["shards"]
        )
        told = {name: manifest[name] for name in ("network", "width", "about")}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path / MANIFEST} is not what `mindeye gallery build` writes ({error}). Is {path} a "
            "folder of something else, or of a newer version?"
        ) from error
    return Gallery(path=path, shards=shards, **told)


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


def write_kept(out: Path, name: str, rows: Int[np.ndarray, "_kept"], count: int) -> Path | None:
    """Writes which rows can be found, under a name that tells its content; None where all can."""
    if len(rows) == count:
        return None
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    path = Path("kept") / f"{name}.{hashlib.sha256(rows.tobytes()).hexdigest()[:8]}.npy"
    with atomic_path(out / path) as temporary:
        np.save(temporary, rows)
    return path


def _require_same_metadata(path: Path, num_bytes: int | None) -> None:
    """Refuses metadata that lie elsewhere and are others now: their rows may be other pictures."""
    if num_bytes is None or not path.is_file() or path.stat().st_size == num_bytes:
        return
    raise ValueError(
        f"{path} has {path.stat().st_size} bytes, but had {num_bytes} when the gallery was built. "
        "Restore it, or build the gallery again."
    )

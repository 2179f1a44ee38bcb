"""Made-up embeddings in the layout in which LAION gives its own: for tests, benchmarks, trying.

`img_emb/img_emb_N.npy` and `metadata/metadata_N.parquet` as clip-retrieval writes them, with the
columns of LAION-2B-en and its joined safety scores, or those of LAION-400M.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from jaxtyping import Float16

from mindeye.files import atomic_path, holds_something, read_json, write_json
from mindeye.nsd_layout import SIMULATED_FILE
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.random_streams import stream_of

COLUMNS = ("laion-2b-en", "laion-400m")
_WORDS, _SHARES = ("UNLIKELY", "UNSURE", "NSFW"), (0.9, 0.06, 0.04)


@runtime_checkable
class MadeUpVectors(Protocol):
    """A distribution of unit vectors, from which any shard can be drawn on its own."""

    @property
    def seed(self) -> int: ...

    @property
    def identity(self) -> dict[str, Any]:
        """What the vectors depend on, for SIMULATED.json."""
        ...

    def shard(self, number: int, count: int) -> Float16[np.ndarray, "vectors width"]:
        """The vectors of one shard."""
        ...

    def captions(self, number: int, first: int, count: int) -> list[str]:
        """Of each of these vectors; `first` is the row of the first among all shards."""
        ...


def write_laion_shards(
    out: Path,
    num_vectors: int,
    *,
    per_shard: int = 1_000_000,
    vectors: MadeUpVectors | None = None,
    columns: str = "laion-2b-en",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes shards; those that are there already are left as they are.

    Args:
        columns: a member of `COLUMNS`.

    Raises:
        LookupError: other columns.
        ValueError: no vector; `out` holds something else, or more vectors.
        OSError: the disk is too full.
    """
    if columns not in COLUMNS:
        raise LookupError(f"Unknown columns `{columns}`. Choose one of {', '.join(COLUMNS)}.")
    if num_vectors < 1 or per_shard < 1:
        raise ValueError(f"{num_vectors} vectors in shards of {per_shard} are none. Ask for some.")
    vectors = vectors or ClusteredVectors()
    _mark(out, _identity(vectors, per_shard, columns))
    _require_no_more(out, num_vectors)
    starts = range(0, num_vectors, per_shard)
    digits = max(4, len(str(len(starts) - 1)))
    for number, start in enumerate(starts):
        count = min(per_shard, num_vectors - start)
        _write_shard(out, f"{number:0{digits}d}", vectors, number, start, count, columns)
        if progress is not None:
            progress(start + count, num_vectors)


def _identity(vectors: MadeUpVectors, per_shard: int, columns: str) -> dict[str, Any]:
    told = {"kind": "embeddings", "columns": columns, "per_shard": per_shard}
    return {**told, **vectors.identity}


def _mark(out: Path, identity: dict[str, Any]) -> None:
    marker = out / SIMULATED_FILE
    if marker.is_file():
        before = read_json(marker)
        if before != identity:
            raise ValueError(
                f"{out} holds made-up embeddings of other settings ({before}). "
                "Choose another folder."
            )
    elif holds_something(out):
        raise ValueError(f"{out} holds something else. Choose a new folder.")
    else:
        write_json(marker, identity)


def _require_no_more(out: Path, num_vectors: int) -> None:
    """Shards that are there stay: fewer vectors would cut the last one and leave those behind."""
    there = sum(map(_rows_of, (out / "metadata").glob("metadata_*.parquet")))
    if there > num_vectors:
        raise ValueError(
            f"{out} holds {there:,} made-up vectors, more than {num_vectors:,}. Choose another "
            f"folder, or ask for {there:,} or more."
        )


def _write_shard(
    out: Path, name: str, vectors: MadeUpVectors, number: int, start: int, count: int, kind: str
) -> None:
    embeddings = out / "img_emb" / f"img_emb_{name}.npy"
    metadata = out / "metadata" / f"metadata_{name}.parquet"
    if metadata.is_file() and _rows_of(metadata) == count:
        return
    with atomic_path(embeddings) as temporary, temporary.open("wb") as stream:
        np.save(stream, vectors.shard(number, count))
    texts = vectors.captions(number, start, count)
    urls = [f"http://pictures.invalid/{row}.jpg" for row in range(start, start + count)]
    with atomic_path(metadata) as temporary:
        table = _columns(kind, stream_of(vectors.seed, "metadata", number), urls, texts)
        parquet.write_table(pa.table(table), temporary, row_group_size=10_000)


def _rows_of(path: Path) -> int:
    return parquet.read_metadata(path).num_rows


def _columns(
    kind: str, rng: np.random.Generator, urls: list[str], texts: list[str]
) -> dict[str, Any]:
    count = len(urls)
    similarity = rng.uniform(0.28, 0.45, count).astype(np.float32)
    unsafe = rng.choice(len(_WORDS), count, p=_SHARES)
    if kind == "laion-400m":
        return {
            "SAMPLE_ID": np.arange(count, dtype=np.float64),
            "URL": urls,
            "TEXT": texts,
            "LICENSE": rng.choice(["?", "cc-by"], count, p=(0.9, 0.1)),
            "NSFW": np.array(_WORDS)[unsafe],
            "similarity": similarity,
        }
    # The probabilities lie on the side of a half that the word says.
    probability = np.where(unsafe == 0, 0, 0.5) + rng.uniform(0.001, 0.499, count)
    return {
        "url": urls,
        "caption": texts,
        "similarity": similarity,
        "punsafe": probability.astype(np.float32),
        "pwatermark": rng.uniform(0, 1, count).astype(np.float32),
        "aesthetic": rng.uniform(3, 8, count).astype(np.float32),
        "hash": rng.integers(-(2**62), 2**62, count),
    }

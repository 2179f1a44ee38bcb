"""`mindeye gallery mixtures`: made-up vectors in the space of a gallery, as many as are wanted."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mindeye.disk import require_free_space
from mindeye.retrieval.gallery.folder import Gallery, open_gallery
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.simulate.mixed_vectors import MixedVectors
from mindeye.simulate.random_streams import stream_of
from mindeye.verbs.gallery.searchable import CAPTIONS, KEYS, first_of

# Pictures that are mixed, at most: a sample of a large gallery, so that they fit into memory.
MAX_PICTURES = 50_000
# Of a vector's caption, address and scores in parquet; measured.
METADATA_BYTES = 200


def write_mixtures(
    path: Path,
    out: Path,
    num_vectors: int,
    *,
    per_shard: int = 100_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Gallery:
    """Writes them in LAION's layout, from the gallery's pictures; returns the gallery.

    Vectors that came without pictures are not mixed: a gallery to which mixtures were added gives
    the same ones again.

    Raises:
        FileNotFoundError: no gallery.
        ValueError: fewer than two pictures, no vector; `out` holds something else.
        OSError: the disk is too full.
    """
    gallery = open_gallery(path)
    vectors = mixed_vectors(gallery, seed)
    num_bytes = max(0, num_vectors) * (2 * gallery.width + METADATA_BYTES)
    require_free_space(out, num_bytes, "The mixtures")
    write_laion_shards(out, num_vectors, per_shard=per_shard, vectors=vectors, progress=progress)
    return gallery


def mixed_vectors(gallery: Gallery, seed: int) -> MixedVectors:
    """Mixtures of the pictures that can be found in a gallery."""
    rows = picture_rows(gallery)
    if len(rows) > MAX_PICTURES:
        drawn = stream_of(seed, "mixed pictures").choice(len(rows), MAX_PICTURES, replace=False)
        rows = rows[np.sort(drawn)]
    embeddings = gallery.vectors(rows)
    return MixedVectors(
        embeddings=embeddings,
        names=[_name_of(record) for record in gallery.records(rows, (*CAPTIONS, *KEYS))],
        checksum=hashlib.sha256(embeddings.tobytes()).hexdigest(),
        seed=seed,
    )


def picture_rows(gallery: Gallery) -> Int[np.ndarray, "_rows"]:
    """Gallery rows that can be found and were embedded from pictures, ascending."""
    found = [
        shard.first + gallery.kept_rows(shard)
        for shard in gallery.shards
        if gallery.source_of(shard.first)["form"] != "laion"
    ]
    return np.concatenate([np.arange(0), *found])


def _name_of(record: dict) -> str:
    return str(first_of(record, CAPTIONS) or first_of(record, KEYS) or f"row {record['row']}")

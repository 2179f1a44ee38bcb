"""All vectors that can be found in a gallery, a block at a time: memory does not grow with it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.exact import ordered, require_searchable
from mindeye.retrieval.gallery.folder import Gallery

# Numbers that are compared at once: 50 MB of float32.
BLOCK_NUMBERS = 12_582_912


class Block(NamedTuple):
    """Some vectors, and their gallery rows."""

    rows: Int[np.ndarray, "rows"]
    vectors: Float32[np.ndarray, "rows width"]
    """That brains are compared with."""
    embeddings: Float32[np.ndarray, "rows embedding"]
    """By which pictures are alike; the same where brains are compared with these."""


Blocks = Callable[[], Iterator[Block]]
"""Reads all of them anew at each call."""


def embedding_blocks(gallery: Gallery) -> Iterator[Block]:
    """Embeddings as the gallery holds them."""
    at_once = max(1, BLOCK_NUMBERS // gallery.width)
    for shard in gallery.shards:
        vectors, kept = gallery.embeddings(shard), gallery.kept_rows(shard)
        for start in range(0, len(kept), at_once):
            rows = kept[start : start + at_once]
            block = np.asarray(vectors[rows], dtype=np.float32)
            yield Block(shard.first + rows, block, block)


def token_blocks(gallery: Gallery) -> Iterator[Block]:
    """All tokens of each picture as one unit vector.

    Raises:
        ValueError: the gallery holds no tokens of some pictures.
    """
    for shard in gallery.shards:
        tokens, kept = gallery.tokens(shard), gallery.kept_rows(shard)
        embeddings = gallery.embeddings(shard)
        if tokens is None:
            raise ValueError(
                f"{gallery.path} holds no tokens of its shard {shard.name}, only embeddings. "
                "Build it with all tokens, or search by embeddings."
            )
        at_once = max(1, BLOCK_NUMBERS // (tokens.shape[1] * tokens.shape[2]))
        for start in range(0, len(kept), at_once):
            rows = kept[start : start + at_once]
            flat = np.asarray(tokens[rows], dtype=np.float32).reshape(len(rows), -1)
            unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
            alike = np.asarray(embeddings[rows], dtype=np.float32)
            yield Block(shard.first + rows, unit, alike)


class TokenSearch:
    """Implements `VectorIndex` by comparing all tokens of all pictures, exactly."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.about = f"exact search of all tokens of {gallery.num_kept:,} pictures"

    def search(self, queries: Float32[np.ndarray, "queries width"], k: int) -> Neighbours:
        """See `VectorIndex.search`; queries are all tokens as one unit vector."""
        require_searchable(self.gallery, queries[:, : self.gallery.width], k)
        best = np.empty((len(queries), 0), np.float32)
        found = np.empty((len(queries), 0), np.int64)
        for rows, vectors, _ in token_blocks(self.gallery):
            if queries.shape[1] != vectors.shape[1]:
                raise ValueError(
                    f"The queries have {queries.shape[1]} numbers each, all tokens of a picture of "
                    f"{self.gallery.path} {vectors.shape[1]}. Embed both by one network."
                )
            best = np.concatenate([best, queries @ vectors.T], 1)
            found = np.concatenate([found, np.broadcast_to(rows, (len(queries), len(rows)))], 1)
            near = ordered(best, found)
            best, found = near.scores[:, :k], near.rows[:, :k]
        return Neighbours(best, found)

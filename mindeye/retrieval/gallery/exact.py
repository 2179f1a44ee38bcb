"""Exact search: every vector of every shard is compared; the reference of all engines."""

import faiss
import numpy as np
from jaxtyping import Float32, Float64, Int64

from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.stored_rows import float32_of

# Vectors that are compared at once: at 768 numbers each, 50 MB of float32.
BLOCK = 16_384


class ExactIndex:
    """Implements `VectorIndex` without any index; memory does not grow with the gallery."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.about = f"exact search of {gallery.num_kept:,} vectors"

    def search(self, queries: Float32[np.ndarray, "queries width"], k: int) -> Neighbours:
        """See `VectorIndex.search`.

        Raises:
            FloatingPointError: fewer than k vectors are finite; others are never found.
        """
        require_searchable(self.gallery, queries, k)
        heap = faiss.ResultHeap(len(queries), k, keep_max=True)
        for shard in self.gallery.shards:
            vectors, kept = self.gallery.embeddings(shard), self.gallery.kept_rows(shard)
            for start in range(0, len(kept), BLOCK):
                rows = kept[start : start + BLOCK]
                block = float32_of(vectors[rows])
                scores, places = faiss.knn(
                    queries, block, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT
                )
                heap.add_result(scores, shard.first + rows[places])
        heap.finalize()
        if (heap.I < 0).any():
            raise FloatingPointError(
                f"{self.gallery.path} has fewer than {k} finite vectors among its "
                f"{self.gallery.num_kept}. Build it again, without --quick."
            )
        return ordered(heap.D, heap.I)


def require_searchable(
    gallery: Gallery, queries: Float32[np.ndarray, "queries width"], k: int
) -> None:
    """Refuses what no engine can answer.

    Raises:
        ValueError: k above the number of vectors that can be found, or another width.
    """
    if queries.shape[1] != gallery.width:
        raise ValueError(
            f"The queries have {queries.shape[1]} numbers each, the vectors of {gallery.path} "
            f"{gallery.width}. Embed the queries with {gallery.network}."
        )
    if not gallery.num_kept:
        raise ValueError(
            f"{gallery.path} has no vector that can be found: its filters have left none. Build it "
            "with others, or see `mindeye gallery duplicates --undo`."
        )
    if not 1 <= k <= gallery.num_kept:
        raise ValueError(
            f"{k} neighbours are asked for, but {gallery.path} has {gallery.num_kept} vectors. "
            f"Choose from 1 to {gallery.num_kept}."
        )


def ordered(scores: Float32[np.ndarray, "queries k"], rows: np.ndarray) -> Neighbours:
    """Best first; equals by ascending row, so that an answer does not depend on shards."""
    order = np.lexsort((rows, -scores))
    return Neighbours(
        scores=np.take_along_axis(scores, order, 1),
        rows=np.take_along_axis(rows, order, 1).astype(np.int64),
    )


def shares_found(
    true: Int64[np.ndarray, "queries neighbours"], found: Int64[np.ndarray, "queries candidates"]
) -> Float64[np.ndarray, "queries"]:
    """Of each query, which share of its true neighbours is among what was found."""
    return np.array([np.isin(*pair).mean() for pair in zip(true, found, strict=True)])

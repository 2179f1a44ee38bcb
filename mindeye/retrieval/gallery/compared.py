"""What an engine has found, compared exactly by the gallery's own vectors."""

import numpy as np
from jaxtyping import Float32, Int64

from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.exact import ordered
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.stored_rows import float32_of, map_scattered, scattered_rows


class ExactComparison:
    """Orders candidates by their true cosines; maps of shards stay open between searches."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self._maps: dict[int, np.ndarray] = {}

    def neighbours(
        self,
        queries: Float32[np.ndarray, "queries width"],
        found: Int64[np.ndarray, "queries candidates"],
        k: int,
    ) -> Neighbours:
        """The k best of each query's candidates.

        Args:
            found: gallery rows, -1 where there are no more; these come last, with a cosine of
                minus infinity.
        """
        rows, places = np.unique(found, return_inverse=True)
        vectors = self._vectors(rows)
        scores = np.empty(found.shape, dtype=np.float32)
        for query, place in enumerate(places.reshape(found.shape)):
            scores[query] = vectors[place] @ queries[query]
        scores[found < 0] = -np.inf
        best = ordered(scores, found)
        return Neighbours(scores=best.scores[:, :k], rows=best.rows[:, :k])

    def _vectors(self, rows: Int64[np.ndarray, "rows"]) -> Float32[np.ndarray, "rows width"]:
        """Of ascending rows; zeros for row -1."""
        vectors = np.zeros((len(rows), self.gallery.width), dtype=np.float32)
        start = int(np.searchsorted(rows, 0))
        for number, places in self.gallery.places_of(rows[start:]).items():
            shard = self.gallery.shards[number]
            if number not in self._maps:
                self._maps[number] = map_scattered(self.gallery.path / shard.embeddings)
            chosen = scattered_rows(self._maps[number], rows[start:][places] - shard.first)
            vectors[start + places] = float32_of(chosen)
        return vectors

"""Search by Milvus; what it finds is compared exactly with the gallery's own vectors."""

import numpy as np
from jaxtyping import Float32
from pymilvus import MilvusClient

from mindeye.retrieval.gallery.compared import ExactComparison
from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.exact import ExactIndex, require_searchable
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.milvus.building import of_collection, require_built
from mindeye.retrieval.gallery.milvus.client import MilvusConfig, answering, connect
from mindeye.retrieval.gallery.milvus.importing import ROW, VECTOR, require_complete

# Milvus's own bounds: results of a query, and queries at once.
MAX_RESULTS, MAX_QUERIES = 16_384, 1_024
# Vectors that are all compared where an index found too few: seconds, and no more of a disk than a
# gallery of the size for which Lite is meant.
COMPARED_AT_MOST = 1_000_000


class MilvusIndex:
    """Implements `VectorIndex`.

    Scores are those of exact search; what may be missing are neighbours.
    """

    def __init__(self, gallery: Gallery, client: MilvusClient, config: MilvusConfig) -> None:
        self.gallery, self.client, self.config = gallery, client, config
        self._comparison = ExactComparison(gallery)
        self.about = (
            f"{config.kind} of {gallery.num_kept:,} vectors in {config.name}, "
            f"{config.candidates} compared exactly"
        )

    def search(self, queries: Float32[np.ndarray, "queries width"], k: int) -> Neighbours:
        """See `VectorIndex.search`.

        Raises:
            OSError: the server does not answer.
            ValueError: k above what the server takes, or too few vectors were found in a gallery
                that is too large to compare all.
        """
        require_searchable(self.gallery, queries, k)
        if k > MAX_RESULTS:
            raise ValueError(f"{k} neighbours are more than Milvus gives. Choose {MAX_RESULTS:,}.")
        count = min(max(k, self.config.candidates), self.gallery.num_kept, MAX_RESULTS)
        parts = [
            self._compared(queries[start : start + MAX_QUERIES], count, k)
            for start in range(0, len(queries), MAX_QUERIES)
        ]
        return Neighbours(*(np.concatenate(one) for one in zip(*parts, strict=True)))

    def close(self) -> None:
        """Lets another process open a Lite database."""
        self.client.close()

    def _compared(
        self, queries: Float32[np.ndarray, "queries width"], count: int, k: int
    ) -> Neighbours:
        found = self._candidates(queries, count)
        # Not every vector can be reached in a graph, nor lies in the lists that were probed.
        short = np.array([number for number, one in enumerate(found) if len(one) < k], dtype=int)
        if len(short):
            self._require_few(min(len(found[number]) for number in short), k)
        rows = np.full((len(queries), count), -1, dtype=np.int64)
        for number, one in enumerate(found):
            rows[number, : len(one)] = one
        best = self._comparison.neighbours(queries, rows, k)
        if len(short):
            exact = ExactIndex(self.gallery).search(queries[short], k)
            best.scores[short], best.rows[short] = exact
        return best

    def _require_few(self, num_found: int, k: int) -> None:
        """Refuses to compare all vectors of a large gallery, which would take minutes a query."""
        if self.gallery.num_kept > COMPARED_AT_MOST:
            raise ValueError(
                f"{self.config.kind} of {self.config.name} found {num_found} vectors where {k} are "
                "asked for. Ask for fewer, or search more widely, for example with "
                """--search-parameters '{"nprobe": 256}' of inverted lists or '{"ef": 4096}' of """
                "HNSW."
            )

    def _candidates(
        self, queries: Float32[np.ndarray, "queries width"], count: int
    ) -> list[np.ndarray]:
        with answering(self.config, "nothing was found"):
            answers = self.client.search(
                self.config.collection,
                data=list(queries),
                anns_field=VECTOR,
                limit=count,
                search_params={"metric_type": "IP", "params": dict(self.config.search)},
                output_fields=[ROW],
            )
        return [np.array([hit[ROW] for hit in one], dtype=np.int64) for one in answers]


def open_milvus(gallery: Gallery, config: MilvusConfig) -> MilvusIndex:
    """Opens a collection to search it.

    Raises:
        OSError: no server answers, or another process has the Lite database open.
        ValueError: it does not hold exactly the gallery's vectors, has not built its index yet, or
            has another one than is asked for.
    """
    client = connect(config)
    with answering(config, "nothing was searched"):
        if client.has_collection(config.collection):
            config = of_collection(client, config)
            require_built(client, config)
        require_complete(client, gallery, config)
        client.load_collection(config.collection)
    return MilvusIndex(gallery, client, config)

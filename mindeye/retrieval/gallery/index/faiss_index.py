"""Search of an inverted file or a graph, with all that is found compared exactly."""

from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Int64

from mindeye.retrieval.gallery.compared import ExactComparison
from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.exact import require_searchable
from mindeye.retrieval.gallery.folder import Gallery


class FaissIndex:
    """Implements `VectorIndex`: codes give candidates, float16 vectors on the disk the order.

    Scores are those of exact search; what may be missing are neighbours.
    """

    def __init__(
        self,
        gallery: Gallery,
        index: faiss.Index,
        *,
        probes: int,
        candidates: int,
        findable: Bool[np.ndarray, "rows"] | None = None,
    ) -> None:
        """
        Args:
            probes: lists that a query looks into; of a graph, how broadly it walks.
            candidates: vectors compared exactly, at least twice k.
            findable: gallery rows that may be found, where the index holds others too.
        """
        self.gallery, self.index = gallery, index
        self.probes, self.candidates = probes, candidates
        self._bits = None
        if findable is not None:
            # faiss keeps a pointer: the bits must live as long as the selector.
            self._bits = np.packbits(findable, bitorder="little")
        self._comparison = ExactComparison(gallery)

    @property
    def about(self) -> str:
        kind = type(_inner(self.index)).__name__
        return (
            f"{kind} of {self.index.ntotal:,} vectors, {self.probes} probed, "
            f"{self.candidates} compared exactly"
        )

    def search(self, queries: Float32[np.ndarray, "queries width"], k: int) -> Neighbours:
        """See `VectorIndex.search`."""
        require_searchable(self.gallery, queries, k)
        found = self.candidate_rows(queries, max(self.candidates, 2 * k))
        # Few vectors in the lists that were probed: look into all of them.
        short = np.flatnonzero((found >= 0).sum(1) < min(k, self.gallery.num_kept))
        if len(short):
            most = self.most_probes
            found[short] = self.candidate_rows(queries[short], found.shape[1], most)
        return self._comparison.neighbours(queries, found, k)

    def candidate_rows(
        self, queries: Float32[np.ndarray, "queries width"], count: int, probes: int | None = None
    ) -> Int64[np.ndarray, "queries count"]:
        """Gallery rows whose codes are most alike, best first; -1 where there are no more."""
        count = min(count, self.index.ntotal)
        parameters = self._parameters(probes or self.probes, count)
        return self.index.search(np.ascontiguousarray(queries), count, params=parameters)[1]

    @property
    def most_probes(self) -> int:
        return _inner(self.index).nlist if self.has_lists else self.index.ntotal

    @property
    def has_lists(self) -> bool:
        """Whether it is an inverted file, not a graph."""
        return isinstance(_inner(self.index), faiss.IndexIVF)

    def _parameters(self, probes: int, count: int) -> faiss.SearchParameters:
        given: Mapping[str, Any] = {}
        if self._bits is not None:
            given = {"sel": faiss.IDSelectorBitmap(self._bits)}
        if self.has_lists:
            inside = faiss.SearchParametersIVF(nprobe=probes, **given)
        else:
            inside = faiss.SearchParametersHNSW(efSearch=max(probes, count), **given)
        if isinstance(faiss.downcast_index(self.index), faiss.IndexPreTransform):
            return faiss.SearchParametersPreTransform(index_params=inside)
        return inside


def _inner(index: faiss.Index) -> faiss.Index:
    """Behind a rotation, or row numbers."""
    outer = faiss.downcast_index(index)
    wrapped = isinstance(outer, faiss.IndexPreTransform | faiss.IndexIDMap)
    return faiss.downcast_index(outer.index) if wrapped else outer

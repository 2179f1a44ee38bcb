"""How many lists to probe and vectors to compare for a recall: measured, not guessed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from jaxtyping import Float32

from mindeye.retrieval.gallery.exact import ExactIndex, shares_found
from mindeye.retrieval.gallery.folder import Gallery, GalleryShard
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex

NEIGHBOURS, BATCH = 16, 64
CANDIDATES = (32, 64, 100, 200, 400)
MADE_UP = (
    "vectors of the gallery with noise, cosine 0.8 to their own: queries of another kind, such as "
    "texts or brain activity, may find less"
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One setting of an index."""

    probes: int
    candidates: int
    recall: float
    """Mean share of the 16 truly most similar vectors that were found."""
    ms_per_query: float
    """In batches of 64; of this machine, as busy as it was."""


def made_up_queries(
    gallery: Gallery, count: int, *, seed: int, cosine: float = 0.8
) -> Float32[np.ndarray, "queries width"]:
    """Drawn vectors of a gallery, turned away by noise."""
    draw = np.random.default_rng([seed, 1])
    rows = np.concatenate(
        [one.first + gallery.kept_rows(one)[:: _step(one, count)] for one in gallery.shards]
    )
    vectors = gallery.vectors(np.sort(draw.choice(rows, min(count, len(rows)), replace=False)))
    noise = draw.standard_normal(vectors.shape).astype(np.float32)
    noise -= (noise * vectors).sum(1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    turned = cosine * vectors + np.float32((1 - cosine**2) ** 0.5) * noise
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)


def measured_table(
    index: FaissIndex,
    queries: Float32[np.ndarray, "queries width"],
    progress: Callable[[str, int, int], None],
) -> Iterator[Measured]:
    """Recall against exact search of the whole gallery, from few probes to many.

    What was found is compared exactly, so the recall is the share of true neighbours among the
    candidates.
    """
    k = min(NEIGHBOURS, index.gallery.num_kept)
    progress("exact search", 0, 1)
    true = ExactIndex(index.gallery).search(queries, k).rows
    progress("exact search", 1, 1)
    probes = 1
    while True:
        widest = index.candidate_rows(queries, max(CANDIDATES), probes) if index.has_lists else None
        for candidates in CANDIDATES:
            # A graph is walked more broadly for more candidates; lists are scanned all the same.
            if widest is None:
                found = index.candidate_rows(queries, candidates, probes)
            else:
                found = widest[:, :candidates]
            index.probes, index.candidates = probes, candidates
            yield Measured(
                probes=probes,
                candidates=candidates,
                recall=float(shares_found(true, found).mean()),
                ms_per_query=_ms_per_query(index, queries, k),
            )
        if probes >= index.most_probes:
            return
        probes = min(2 * probes, index.most_probes)


def enough(table: Iterator[Measured], recall: float) -> tuple[Measured, bool, tuple[Measured, ...]]:
    """The first setting with that recall (the best one, where none has it), whether, and all seen.

    Goes on to four times the probes, so that the table shows what more of them would give.
    """
    seen: list[Measured] = []
    chosen: Measured | None = None
    for row in table:
        if chosen is not None and row.probes > 4 * chosen.probes:
            break
        seen.append(row)
        if chosen is None and row.recall >= recall:
            chosen = row
    if chosen is not None:
        return chosen, True, tuple(seen)
    return max(seen, key=lambda row: row.recall), False, tuple(seen)


def _ms_per_query(
    index: FaissIndex, queries: Float32[np.ndarray, "queries width"], k: int
) -> float:
    batch = queries[:BATCH]
    start = perf_counter()
    index.search(batch, k)
    return 1000 * (perf_counter() - start) / len(batch)


def _step(shard: GalleryShard, count: int) -> int:
    """So that no shard lends many more rows than are drawn in all."""
    return max(1, shard.num_kept // (4 * count))

"""HNSW, for galleries that fit in memory: vectors at a byte a number, and links between them."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from mindeye.files import atomic_path
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index.blocks import BLOCK, open_shard, require_unit
from mindeye.retrieval.gallery.index.choice import HNSW_NEIGHBOURS
from mindeye.retrieval.gallery.index.folder import GRAPH
from mindeye.retrieval.gallery.index.training import sample_of
from mindeye.retrieval.gallery.stored_rows import float32_of

BREADTH = 200
"""Of the search for neighbours while the graph grows."""


def build_graph(
    gallery: Gallery,
    folder: Path,
    sample: int,
    progress: Callable[[str, int, int], None],
    *,
    seed: int,
) -> None:
    """Writes the graph shard after shard; one that was killed goes on behind its last shard.

    With several threads the links depend on which vector comes first: with one they do not, and
    a resumed graph is the same as another.
    """
    path, grown = folder / "whole" / GRAPH, folder / "grown"
    if path.exists():
        return
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index, done = _begun(gallery, grown, sample, seed)
        for number in range(done, len(gallery.shards)):
            _add(gallery, number, index)
            with atomic_path(grown / f"{number + 1}.faiss") as temporary:
                faiss.write_index(index, str(temporary))
            (grown / f"{number}.faiss").unlink(missing_ok=True)
            progress("adding", number + 1, len(gallery.shards))
        with atomic_path(path) as temporary:
            faiss.write_index(index, str(temporary))
    finally:
        faiss.omp_set_num_threads(threads)


def _begun(gallery: Gallery, grown: Path, sample: int, seed: int) -> tuple[faiss.Index, int]:
    """The graph that holds the most shards, and their number."""
    done = max((int(one.stem) for one in grown.glob("*.faiss")), default=0)
    if done:
        index = faiss.read_index(str(grown / f"{done}.faiss"))
        # Of each vector faiss draws how high it is linked, from a stream that no file holds: it
        # goes on behind the vectors that are there.
        stream = faiss.downcast_index(index.index).hnsw.rng
        for _ in range(index.ntotal):
            stream.rand_float()
        return index, done
    factory = f"HNSW{HNSW_NEIGHBOURS},SQ8"
    graph = faiss.index_factory(gallery.width, factory, faiss.METRIC_INNER_PRODUCT)
    faiss.downcast_index(graph).hnsw.efConstruction = BREADTH
    graph.train(sample_of(gallery, sample, seed=seed))
    index = faiss.IndexIDMap(graph)
    graph.this.disown()
    index.own_fields = True
    return index, 0


def _add(gallery: Gallery, number: int, index: faiss.IndexIDMap) -> None:
    shard = gallery.shards[number]
    vectors, kept = open_shard(gallery, shard), gallery.kept_rows(shard)
    for start in range(0, len(kept), BLOCK):
        rows = kept[start : start + BLOCK]
        block = float32_of(vectors[rows])
        require_unit(block, shard, rows)
        index.add_with_ids(block, (shard.first + rows).astype(np.int64))

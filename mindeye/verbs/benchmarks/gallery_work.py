"""Galleries of simulated vectors, and what one process measures of an index of them."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np

from mindeye.files import atomic_path, fingerprint_of
from mindeye.retrieval.gallery.exact import ExactIndex, shares_found
from mindeye.retrieval.gallery.folder import Gallery, GalleryShard, open_gallery, write_gallery
from mindeye.retrieval.gallery.index.build import (
    IndexRequest,
    build_index,
    limit_threads,
    plan_index,
)
from mindeye.retrieval.gallery.index.folder import open_index, require_current
from mindeye.retrieval.gallery.index.record import read_record
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.verbs.benchmarks.page_cache import make_cold

SHARD, BATCH, NEIGHBOURS = 100_000, 64, 16
TRUTH = "truth.npy"


def simulated_gallery(
    folder: Path,
    num_vectors: int,
    width: int,
    seed: int,
    progress: Callable[[int, int], None],
    shard: int = SHARD,
) -> Gallery:
    """Clustered unit vectors in shards; shards that lie there already are taken."""
    source = ClusteredVectors(width=width, seed=seed)
    shards: list[GalleryShard] = []
    starts = range(0, num_vectors, shard)
    for number, first in enumerate(starts):
        count = min(shard, num_vectors - first)
        path = folder / "vectors" / f"{number:05d}.npy"
        if not path.exists():
            with atomic_path(path) as temporary:
                np.save(temporary, source.shard(number, count))
        shards.append(
            GalleryShard(
                name=f"{number:05d}",
                first=first,
                count=count,
                num_kept=count,
                embeddings=path.relative_to(folder),
                sha256=f"quick:{fingerprint_of(path)}",
            )
        )
        progress(number + 1, len(starts))
    about = {"simulated": "clustered unit vectors"}
    return write_gallery(folder, network="simulated", width=width, shards=shards, about=about)


def write_truth(gallery: Gallery, num_queries: int, seed: int) -> None:
    """The true neighbours of queries that stand in no shard; kept with how many queries."""
    path = gallery.path / f"{num_queries}-{gallery.num_rows}-{TRUTH}"
    if not path.exists():
        queries = ClusteredVectors(width=gallery.width, seed=seed).queries(num_queries)
        with atomic_path(path) as temporary:
            np.save(temporary, ExactIndex(gallery).search(queries, NEIGHBOURS).rows)


def build_ours(
    folder: Path, lists: int | None, recall: float, threads: int, memory: int
) -> dict[str, float]:
    """Seconds until the files of an index stand, and of measuring its recall; memory."""
    limit_threads(threads)
    gallery = open_gallery(folder)
    request = IndexRequest(
        kind="ivf-rabitq", lists=lists, recall=recall, retrain=True, memory=memory
    )
    plan = plan_index(gallery, request)
    base, begun, ends = peak_mb(), perf_counter(), {}

    def progress(stage: str, done: int, total: int) -> None:
        if not (stage == "exact search" and done):
            ends[stage] = (perf_counter(), peak_mb())

    record = build_index(gallery, request, plan, progress)
    assert record is not None
    whole, peak = ends["exact search"]
    return {
        "training_s": ends["training"][0] - begun,
        "adding_s": ends["adding"][0] - ends["training"][0],
        "writing_s": whole - ends["adding"][0],
        "build_s": whole - begun,
        "tuning_s": perf_counter() - whole,
        "base_mb": base,
        "peak_mb": peak,
        "bytes_a_vector": sum(one["bytes"] for one in record.files.values()) / gallery.num_kept,
        "lists": record.settings["lists"],
    }


def build_bare(folder: Path, lists: int, sample: int, threads: int) -> dict[str, float]:
    """The same index as faiss is called without us: read, train, add, write."""
    faiss.omp_set_num_threads(threads)
    gallery = open_gallery(folder)
    begun = perf_counter()
    draw = np.random.default_rng(0)
    share = -(-sample // len(gallery.shards))
    drawn = []
    for shard in gallery.shards:
        vectors = gallery.embeddings(shard)
        rows = np.sort(draw.choice(shard.count, min(share, shard.count), replace=False))
        drawn.append(vectors[rows].astype(np.float32))
    factory = f"RR{gallery.width},IVF{lists},RaBitQ"
    index = faiss.index_factory(gallery.width, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(np.concatenate(drawn)[:sample])
    del drawn
    trained = perf_counter()
    for shard in gallery.shards:
        index.add(np.load(gallery.path / shard.embeddings).astype(np.float32))
    added = perf_counter()
    with atomic_path(folder / "bare.faiss") as temporary:
        faiss.write_index(index, str(temporary))
    (folder / "bare.faiss").unlink()
    ended = perf_counter()
    return {
        "training_s": trained - begun,
        "adding_s": added - trained,
        "writing_s": ended - added,
        "build_s": ended - begun,
        "peak_mb": peak_mb(),
    }


def search_ours(folder: Path, num_queries: int, seed: int, threads: int) -> dict[str, float]:
    """Recall, time and memory of a process that opens and searches."""
    limit_threads(threads)
    gallery = open_gallery(folder)
    _forget(gallery)
    base = resident_mb()
    index = open_index(gallery)
    opened = resident_mb()
    queries = ClusteredVectors(width=gallery.width, seed=seed).queries(num_queries)
    true = np.load(folder / f"{num_queries}-{gallery.num_rows}-{TRUTH}", allow_pickle=False)
    hits, times, cold, read = [], [], [], read_mb()
    # The first pass meets cold files, the second is timed.
    for _ in range(2):
        cold, hits, times = times, [], []
        for start in range(0, num_queries - BATCH + 1, BATCH):
            begun = perf_counter()
            found = index.search(queries[start : start + BATCH], NEIGHBOURS).rows
            times.append(1000 * (perf_counter() - begun) / BATCH)
            hits += shares_found(true[start : start + BATCH], found).tolist()
    record = read_record(require_current(gallery))
    return {
        "recall": float(np.mean(hits)),
        "ms_a_query": float(np.median(times)),
        "cold_ms_a_query": float(np.mean(cold)),
        "cold_read_mb": read_mb() - read,
        "probes": record.probes,
        "candidates": record.candidates,
        "opened_mb": opened - base,
        "libraries_mb": base,
        "peak_mb": peak_mb(),
    }


def _forget(gallery: Gallery) -> None:
    """Lets vectors and lists leave the memory."""
    for shard in gallery.shards:
        make_cold(gallery.path / shard.embeddings)
    for path in require_current(gallery).iterdir():
        make_cold(path)


def read_mb() -> float:
    """What this process has read of disks so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith("read_bytes")]
    return int(found) / 1e6


def peak_mb() -> float:
    """Largest resident memory of this process, mapped files that were touched included."""
    return _memory_mb("VmHWM")


def resident_mb() -> float:
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    """From Linux; `getrusage` gives a new process the peak of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 / 1e6 for one in lines if one.startswith(name))

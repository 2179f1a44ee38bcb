"""What an engine finds in a gallery beside exact search of the same: import, shares, time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from jaxtyping import Float32

from mindeye.report.banner import SIMULATED
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.exact import ExactIndex, shares_found
from mindeye.retrieval.gallery.folder import Gallery, open_gallery
from mindeye.retrieval.gallery.open_engine import milvus_config, open_engine, require_milvus
from mindeye.verbs.benchmarks.gallery_work import NEIGHBOURS, peak_mb
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.gallery.serve_queries import brain_images, query_clip

SCANS, PASSES = 64, 5


def engine_beside_exact(
    program: Path, folder: Path, choice: EngineChoice, run: Path, texts: Sequence[str]
) -> Iterator[str]:
    """Brings a gallery into an engine, where that is not this machine's index, and searches it.

    Args:
        program: does the import in a process of its own, whose memory is told.
        run: its first test scans, decoded, are queries.
        texts: the others.
    """
    gallery = open_gallery(folder)
    yield f"{gallery.num_kept:,} vectors of {gallery.width} numbers in {folder}"
    if gallery.about["simulated"] is not None:
        yield SIMULATED
    if choice.engine == "milvus":
        require_milvus()
        settings = {"uri": choice.uri, "settings": dict(choice.settings)}
        brought = told([str(program), "--work", json.dumps({"folder": str(folder), **settings})])
        yield (
            f"import and index: {brought['vectors']:,} vectors in {brought['seconds']:.0f} s, "
            f"{brought['peak_mb'] / 1000:.1f} GB in the process that sent them"
        )
    index = open_engine(gallery, choice)
    yield index.about
    queries = queries_of(gallery, run, texts)
    together, times = np.concatenate([*queries.values()]), []
    # The first pass meets cold files, and is not timed.
    found = index.search(together, NEIGHBOURS).rows
    for _ in range(PASSES):
        begun = perf_counter()
        index.search(together, NEIGHBOURS)
        times.append(1000 * (perf_counter() - begun) / len(together))
    begun = perf_counter()
    exact = ExactIndex(gallery).search(together, NEIGHBOURS).rows
    exact_ms = 1000 * (perf_counter() - begun) / len(together)
    shares, first = shares_found(exact, found), 0
    for kind, one in queries.items():
        share = shares[first : first + len(one)].mean()
        yield f"{kind}: of {len(one)}, first {NEIGHBOURS} as exact search's: {share:.3f}"
        first += len(one)
    yield (
        f"a batch of {len(together)}: {median(times):.1f} ms a query, median of {PASSES}; "
        f"exact search {exact_ms:.0f}"
    )


def queries_of(
    gallery: Gallery, run: Path, texts: Sequence[str]
) -> Mapping[str, Float32[np.ndarray, "_queries width"]]:
    """Kind -> embeddings: scans that the run decodes, and texts."""
    images, _ = brain_images(run, gallery, subject=None, data=None, device="cpu")
    found = {"decoded scans": np.asarray(images.embeddings[:SCANS], dtype=np.float32)}
    if texts:
        clip = query_clip(gallery, None, run, "cpu")
        # `brain_images` has refused a run of another CLIP.
        assert clip is not None
        found["texts"] = np.stack([clip.embed_text(one) for one in texts])
    return found


def import_work(folder: Path, choice: EngineChoice) -> str:
    """Imports a gallery into Milvus, waits for the index, and says what that took, as JSON."""
    from mindeye.retrieval.gallery.milvus.importing import import_gallery

    gallery, begun = open_gallery(folder), perf_counter()
    done = import_gallery(gallery, milvus_config(choice))
    seconds = perf_counter() - begun
    return json.dumps({"vectors": done.num_vectors, "seconds": seconds, "peak_mb": peak_mb()})

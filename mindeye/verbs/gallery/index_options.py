"""`mindeye gallery index`: its options, and what it says; imports nothing that is slow."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.argument_types import from_one, num_bytes
from mindeye.verbs.gallery.engine_options import add_engine, engine_of
from mindeye.verbs.progress import Stages
from mindeye.verbs.shared_options import add_seed, add_verb

KINDS = ("auto", "exact", "hnsw", "ivf-rabitq", "ivf-pq")
# Options of the index on this machine, and what they are when nobody gives them.
OF_FAISS = {
    "recall": 0.95,
    "memory": 8 * 10**9,
    "kind": "auto",
    "lists": None,
    "queries": None,
    "num_shards": 1,
    "shard_index": None,
    "retrain": False,
    "check": False,
    "threads": None,
    "seed": 0,
}


def index_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery index`."""
    about = "make a gallery fast to search: chooses, builds, grows or continues its index"
    example = "mindeye gallery index gallery --recall 0.97 --memory 8G"
    verb = add_verb(actions, "index", about, example)
    verb.add_argument("gallery", type=Path, help="the folder of `mindeye gallery build`")
    recall = "share of the 16 most similar that a search shall find (default: 0.95)"
    verb.add_argument("--recall", type=float, default=OF_FAISS["recall"], help=recall)
    memory = "that building may take, such as 800M or 8G (default: 8G)"
    verb.add_argument(
        "--memory", type=num_bytes, default=OF_FAISS["memory"], metavar="BYTES", help=memory
    )
    kind = "default: auto, by size, recall and memory"
    verb.add_argument("--kind", choices=KINDS, default=OF_FAISS["kind"], help=kind)
    lists = "of an inverted file (default: by size)"
    verb.add_argument("--lists", type=int, metavar="N", help=lists)
    queries = "npy file of embeddings with which recall is measured (default: made-up ones)"
    verb.add_argument("--queries", type=Path, metavar="FILE", help=queries)
    part = "encode only each N-th shard, of a build of several processes or machines"
    verb.add_argument("--num-shards", type=from_one, default=1, metavar="N", help=part)
    number = "beginning with this one, from 0; without it, a build is finished"
    verb.add_argument("--shard-index", type=int, metavar="I", help=number)
    verb.add_argument("--retrain", action="store_true", help="anew, instead of adding new shards")
    verb.add_argument("--check", action="store_true", help="only compare the files' checksums")
    verb.add_argument("--dry-run", action="store_true", help="only say what would be built")
    cores = "default: all cores that this process may use; fewer on a busy machine"
    verb.add_argument("--threads", type=from_one, help=cores)
    add_engine(verb, builds=True)
    add_seed(verb, "of training vectors, cells and made-up queries")
    return verb


def perform_index(options: argparse.Namespace) -> Iterator[str]:
    """Builds, and says what was chosen, why, and what it gives."""
    from mindeye.retrieval.gallery.folder import open_gallery
    from mindeye.retrieval.gallery.index.build import (
        IndexRequest,
        build_index,
        limit_threads,
        missing_blocks,
        plan_index,
    )
    from mindeye.retrieval.gallery.index.folder import check_files, require_current

    gallery = open_gallery(options.gallery)
    if engine_of(options).engine == "milvus":
        from mindeye.verbs.gallery.index_milvus import perform_milvus_index

        yield from perform_milvus_index(gallery, options)
        return
    if options.check:
        folder = require_current(gallery)
        yield f"{folder}: {check_files(folder):,} bytes, as they were written"
        return
    if options.lists is not None and options.kind in ("exact", "hnsw"):
        raise ValueError(
            f"--kind {options.kind} has no lists. Leave --lists out, or choose an inverted file."
        )
    limit_threads(options.threads or num_cores())
    names = ("recall", "memory", "kind", "lists", "seed", "queries", "retrain")
    given = {name: getattr(options, name) for name in names}
    request = IndexRequest(part=part_of(options), **given)
    plan = plan_index(gallery, request)
    yield from plan.lines(gallery)
    if options.dry_run:
        return
    stages = Stages()
    record = build_index(gallery, request, plan, stages)
    stages.close()
    if request.part is not None:
        missing = len(missing_blocks(gallery, plan))
        yield f"{missing} shards are still to be encoded. Then run this without --shard-index."
    elif record is not None:
        yield from record.lines
        yield f"index: {require_current(gallery)}"


def part_of(options: argparse.Namespace) -> tuple[int, int] | None:
    """Which shards are this process's; None for all.

    Raises:
        ValueError: no such part.
    """
    number, parts = options.shard_index, options.num_shards
    if number is None and parts == 1:
        return None
    if number is None or not 0 <= number < parts:
        raise ValueError(
            f"--shard-index {number} of --num-shards {parts} is no part. Give both, and an index "
            "from 0 to one below their number."
        )
    return number, parts


def num_cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

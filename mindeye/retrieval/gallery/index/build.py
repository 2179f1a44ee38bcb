"""Builds, grows and replaces the index of a gallery; a build that was killed goes on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import faiss
import torch

from mindeye.disk import require_free_space
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index import folder as folders
from mindeye.retrieval.gallery.index.blocks import encode_shard, open_shard, save_block
from mindeye.retrieval.gallery.index.choice import IndexChoice, Kind, choose_index
from mindeye.retrieval.gallery.index.finish import finished, merged, queries_of, tuned
from mindeye.retrieval.gallery.index.graph_index import build_graph
from mindeye.retrieval.gallery.index.record import (
    IndexRecord,
    identity_of,
    read_record,
    shard_marks,
)
from mindeye.retrieval.gallery.index.training import trained_once

# Times as many vectors as cells were made for: lists are as much longer, and so is each probe.
GROWTH = 2
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class IndexRequest:
    """What is asked of an index."""

    recall: float = 0.95
    memory: int = 8_000_000_000
    kind: Kind | Literal["auto"] = "auto"
    lists: int | None = None
    seed: int = 0
    queries: Path | None = None
    """.npy file of unit vectors with which recall is measured."""
    num_queries: int = 256
    part: tuple[int, int] | None = None
    """This process encodes only shards number, number + all, ...; another one finishes."""
    retrain: bool = False
    """Chooses and trains anew, where a grown gallery's index would be grown."""


class IndexPlan(NamedTuple):
    """What will be done."""

    choice: IndexChoice
    grown: IndexRecord | None
    """The index to which shards are added; without new ones, it is only measured again."""
    settings: dict[str, Any]
    folder: Path
    """Of the work in progress."""
    num_old: int
    """Shards that stand in the index already."""

    def lines(self, gallery: Gallery) -> list[str]:
        """For the screen: what is done, and why."""
        if self.grown is None:
            return self.choice.lines
        todo = gallery.shards[self.num_old :]
        if not todo:
            return [f"index: {self.grown.kind} of all shards is there; only measured again"]
        lines = [f"index: {len(todo)} new shards are added to {self.grown.kind}"]
        if gallery.num_kept > GROWTH * self.grown.trained_for:
            lines.append(
                f"warning: its cells were made for {self.grown.trained_for:,} vectors, now there "
                f"are {gallery.num_kept:,}: searching takes longer. --retrain makes new ones"
            )
        return lines

    def block(self, name: str) -> Path:
        return self.folder / "blocks" / f"{name}.safetensors"


def plan_index(gallery: Gallery, request: IndexRequest) -> IndexPlan:
    """Chooses; or grows the current index if shards were added since.

    Raises:
        ValueError: see `choose_index`; a gallery without vectors; parts of what has none; queries
            that are not of it.
        FileNotFoundError: no file of queries.
    """
    if gallery.num_kept == 0:
        raise ValueError(f"{gallery.path} has no vectors that can be found. Build it again.")
    choice = choose_index(
        gallery.num_kept,
        gallery.width,
        recall=request.recall,
        memory=request.memory,
        kind=request.kind,
        lists=request.lists,
    )
    if request.queries is not None:
        # Refused now, not behind hours of building.
        queries_of(gallery, request)
    settings = {"kind": choice.kind, "lists": choice.lists, "sample": choice.sample}
    settings["seed"] = request.seed
    grown = None if request.retrain else growable(gallery, request)
    if grown is not None:
        settings = grown.settings
        choice = replace(choice, kind=grown.kind, lists=settings["lists"], sample=0, minutes=0.0)
    if request.part is not None and not choice.lists:
        raise ValueError(
            f"The index would be {choice.kind}, which is not built in parts. Leave --shard-index "
            "and --num-shards out, or choose --kind ivf-rabitq."
        )
    identity = identity_of(shard_marks(gallery), settings)
    folder = gallery.path / "index" / "building" / identity[:16]
    return IndexPlan(choice, grown, settings, folder, len(grown.shards) if grown else 0)


def growable(gallery: Gallery, request: IndexRequest) -> IndexRecord | None:
    """The current index, if only shards at the end are missing in it, and nothing else is asked."""
    folder = folders.current_folder(gallery)
    if folder is None:
        return None
    record = read_record(folder)
    asked = (request.kind, request.lists)
    known = (record.kind, record.settings["lists"])
    if any(one not in (None, "auto", other) for one, other in zip(asked, known, strict=True)):
        return None
    try:
        lacking = folders.require_of_gallery(record, gallery)
        folders.require_files(folder, record)
        # New shards' rows are not asked for: the last byte of the index's bits reaches into them.
        num_rows = sum(one["count"] for one in record.shards)
        folders.require_indexed(gallery, folder, folders.findable_rows(gallery)[:num_rows])
    except ValueError:
        return None
    return record if record.kind != "hnsw" or lacking == 0 else None


def build_index(
    gallery: Gallery, request: IndexRequest, plan: IndexPlan, progress: Progress
) -> IndexRecord | None:
    """Builds what was planned and makes it current; None for exact search, or one part.

    Raises:
        ValueError: a shard that is cut off or of another width; the index before is intact.
    """
    for shard in gallery.shards:
        open_shard(gallery, shard)
    todo = gallery.shards[plan.num_old :]
    if plan.choice.kind == "exact":
        folders.make_exact(gallery)
        return None
    if plan.grown is not None and not todo:
        return tuned(gallery, request, plan, progress)
    size = int(2.2 * plan.choice.bytes_per_vector * gallery.num_kept) + 10**7
    require_free_space(plan.folder, size, "The index")
    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.choice.kind == "hnsw":
        build_graph(gallery, plan.folder, plan.choice.sample, progress, seed=request.seed)
        return finished(gallery, request, plan, plan.folder / "whole", progress)
    inverted, settings = trained_once(gallery, plan, progress)
    number, parts = request.part or (0, 1)
    own = todo[number::parts]
    for done, shard in enumerate(own):
        if not plan.block(shard.name).exists():
            block = encode_shard(gallery, shard, inverted, settings["precision"])
            save_block(plan.block(shard.name), block)
        progress("adding", done + 1, len(own))
    if request.part is not None:
        return None
    plan = plan._replace(settings=settings)
    blocks = [plan.block(shard.name) for shard in todo]
    whole = merged(gallery, plan, inverted, blocks, progress)
    return finished(gallery, request, plan, whole, progress)


def missing_blocks(gallery: Gallery, plan: IndexPlan) -> list[str]:
    """Shards that no part has encoded yet."""
    names = [shard.name for shard in gallery.shards[plan.num_old :]]
    return [name for name in names if not plan.block(name).exists()]


def limit_threads(threads: int) -> None:
    """OpenMP's threads wait by spinning: more than there are free cores cost many times over."""
    faiss.omp_set_num_threads(threads)
    torch.set_num_threads(threads)

"""What a gallery of any size would cost, computed from what was measured at smaller ones."""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mindeye.retrieval.gallery.index.choice import choose_index

# A float16 number of the embeddings; a float32 one of centroids.
HALF, SINGLE = 2, 4
# What a disk is asked for at once; a candidate's row begins anywhere in one.
PAGE = 4096


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What `eval/benchmarks/gallery.py` measured of one gallery."""

    vectors: int
    width: int
    threads: int
    lists: int
    training_s: float
    adding_s: float
    writing_s: float
    peak_mb: float
    bytes_a_vector: float
    """Of the index on the disk."""
    recall: float
    probes: int
    candidates: int
    ms_a_query: float
    """In a batch of 64."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine, and how long building may take."""

    disk: float
    """Bytes."""
    memory: float
    """Bytes."""
    cores: int
    hours: float
    """That building on all machines may take."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}. Give more than 0.")


@dataclass(frozen=True, kw_only=True)
class GalleryPlan:
    """All of it computed; see `plan_gallery` for the laws."""

    vectors: int
    lists: int
    embeddings_bytes: float
    index_bytes: float
    training_memory: float
    """Bytes of the libraries, k-means' sample, centroids, and products of a block with them."""
    search_memory: float
    """Bytes that stay in memory: centroids, and a bit a vector."""
    training_hours: float
    """On the cores of one machine."""
    adding_hours: float
    """On the cores of one machine; shards are independent, so machines divide it."""
    ms_a_query: float
    """On the cores of one machine that could hold all; machines divide it."""
    query_bytes: float
    """That one query reads of disks where nothing of it is in memory: probed lists, candidates."""
    nodes: int
    hours: float
    """With these machines: training on one, then adding on all."""
    breaks: tuple[tuple[str, float], ...]
    """What one machine lacks, and how many times over; the worst first."""


def read_figures(path: Path) -> list[Figures]:
    """Lines of JSON, by ascending number of vectors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line lacks something, or holds what is no number above 0.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is not there. Measure with `eval/benchmarks/gallery.py --figures {path}`."
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = enumerate(text.splitlines(), start=1)
    found = [_figures_of(line, f"{path}, line {number}") for number, line in lines if line.strip()]
    if not found:
        raise ValueError(f"{path} is empty. Measure at least one size.")
    return sorted(found, key=lambda row: row.vectors)


def _figures_of(line: str, where: str) -> Figures:
    names = [one.name for one in fields(Figures)]
    try:
        content = json.loads(line)
        values = {name: content[name] for name in names}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where} is no measurement ({error}). Each line is a JSON object with "
            f"{', '.join(names)}."
        ) from error
    for name, value in values.items():
        whole = name in ("vectors", "width", "threads", "lists", "probes", "candidates")
        kinds = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
            raise ValueError(f"{where}: {name} is {value!r}, no number above 0. Measure again.")
    return Figures(**values)


def plan_gallery(vectors: int, figures: Sequence[Figures], node: Node) -> GalleryPlan:
    """Extrapolates, each cost by its own law.

    - training: k-means compares 40 vectors a list with every list: lists squared.
    - adding: every vector is compared with every list and encoded: a + b lists a vector, through
      the smallest and the largest measured size (with one size: as there).
    - searching: vectors in the probed lists, as fast as at the largest measured size.
    - disk: bytes a vector as there, and the embeddings in float16.
    - reading: codes of the probed lists, and of each candidate its row and the rest of its pages.

    Recall is not extrapolated: with the probes of the largest size it falls as lists get more.

    Raises:
        ValueError: fewer vectors than were measured: nothing to extrapolate.
    """
    small, large = figures[0], figures[-1]
    if vectors < large.vectors:
        raise ValueError(
            f"{vectors:,} vectors are fewer than the {large.vectors:,} that were measured. "
            "Measure them instead."
        )
    # The limits of one machine are looked at below.
    index = choose_index(
        vectors, large.width, recall=large.recall, memory=sys.maxsize, kind="ivf-rabitq"
    )
    lists = index.lists
    faster = large.threads / node.cores
    per_vector = _at_lists(lists, _per_vector(small), small.lists, _per_vector(large), large.lists)
    scanned = large.vectors * large.probes / large.lists
    disk = vectors * (large.bytes_a_vector + HALF * large.width)
    search_memory = lists * large.width * SINGLE + vectors / 8
    training_hours = large.training_s * (lists / large.lists) ** 2 * faster / 3600
    adding_hours = per_vector * vectors * faster / 3600
    ms = large.ms_a_query * (vectors * large.probes / lists) / scanned * faster
    query_bytes = large.probes * vectors / lists * large.bytes_a_vector
    query_bytes += large.candidates * (HALF * large.width + PAGE)
    left = max(node.hours - training_hours, node.hours / 10)
    nodes = max(math.ceil(disk / node.disk), math.ceil(adding_hours / left))
    needs = {
        "disk": disk / node.disk,
        "memory of training": index.memory / node.memory,
        "memory of searching": search_memory / node.memory,
        "hours of training, which machines do not divide": training_hours / node.hours,
        "hours of adding": adding_hours / node.hours,
    }
    lacking = sorted(
        ((name, need) for name, need in needs.items() if need > 1), key=lambda one: -one[1]
    )
    return GalleryPlan(
        vectors=vectors,
        lists=lists,
        embeddings_bytes=vectors * HALF * large.width,
        index_bytes=vectors * large.bytes_a_vector,
        training_memory=index.memory,
        search_memory=search_memory,
        training_hours=training_hours,
        adding_hours=adding_hours,
        ms_a_query=ms,
        query_bytes=query_bytes,
        nodes=nodes,
        hours=training_hours + adding_hours / nodes,
        breaks=tuple(lacking),
    )


def plan_lines(plan: GalleryPlan, figures: Sequence[Figures], node: Node) -> Iterator[str]:
    """For the screen: what was measured, then what was computed of it."""
    yield "measured: vectors  lists  training s  adding s  B a vector  peak MB  recall  ms a query"
    for row in figures:
        yield (
            f"{row.vectors:17,}  {row.lists:5}  {row.training_s:10.1f}  {row.adding_s:8.1f}  "
            f"{row.bytes_a_vector:10.1f}  {row.peak_mb:7.0f}  {row.recall:6.3f}  "
            f"{row.ms_a_query:10.2f}"
        )
    yield f"computed for {plan.vectors:,} vectors in {plan.lists:,} lists, on {node.cores} cores:"
    yield f"  embeddings in float16: {plan.embeddings_bytes / 1e12:.3g} TB"
    yield f"  index: {plan.index_bytes / 1e12:.3g} TB"
    yield f"  memory of training: {plan.training_memory / 1e9:.3g} GB"
    yield f"  memory that stays while searching: {plan.search_memory / 1e9:.3g} GB"
    yield f"  training: {plan.training_hours:.3g} h on one machine"
    yield f"  adding: {plan.adding_hours:.3g} h on one machine, divided by machines"
    yield (
        f"  a query in a batch: {plan.ms_a_query:.3g} ms on one machine with the probes of the "
        "largest measured size, divided by machines, while what it reads is in memory"
    )
    yield f"  a query reads {plan.query_bytes / 1e6:.3g} MB of disks where nothing is in memory"
    yield (
        f"machines of {node.disk / 1e12:.3g} TB for {node.hours:.3g} h: {plan.nodes}, which take "
        f"{plan.hours:.3g} h"
    )
    for place, (name, need) in enumerate(plan.breaks):
        first = "breaks first on one machine" if place == 0 else "then"
        yield f"{first}: {name}, {need:.3g} times what it has"


def _per_vector(row: Figures) -> float:
    """Seconds."""
    return (row.adding_s + row.writing_s) / row.vectors


def _at_lists(lists: int, small: float, few: int, large: float, many: int) -> float:
    """The straight line through two measurements; never below the second."""
    if many == few:
        return large
    return max(large, large + (large - small) / (many - few) * (lists - many))

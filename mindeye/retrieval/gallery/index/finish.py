"""The last steps of a build: lists made one file, recall measured, the new index made current."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from mindeye.files import atomic_path
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index import folder as folders
from mindeye.retrieval.gallery.index.blocks import (
    ListBlock,
    ListFile,
    block_sizes,
    load_block,
    merge_blocks,
)
from mindeye.retrieval.gallery.index.inverted_file import InvertedFile
from mindeye.retrieval.gallery.index.record import (
    IndexRecord,
    read_record,
    shard_marks,
    write_record,
)
from mindeye.retrieval.gallery.index.tuning import MADE_UP, enough, made_up_queries, measured_table
from mindeye.retrieval.gallery.queries import read_queries

if TYPE_CHECKING:
    from mindeye.retrieval.gallery.index.build import IndexPlan, IndexRequest

Progress = Callable[[str, int, int], None]


def merged(
    gallery: Gallery,
    plan: "IndexPlan",
    inverted: InvertedFile,
    blocks: Sequence[Path],
    progress: Progress,
) -> Path:
    """Folder with an index of all shards: those of a grown index first, then new blocks."""
    whole = plan.folder / "whole"

    def report(done: int, total: int) -> None:
        progress("merging", done, total)

    loads: list[Callable[[], ListBlock | ListFile]] = [
        lambda one=one: load_block(one) for one in blocks
    ]
    sizes = np.zeros(inverted.num_lists, dtype=np.int64)
    for one in blocks:
        sizes += block_sizes(one)
    if plan.grown is not None:
        before = folders.require_current(gallery)
        old = np.load(before / folders.SIZES, allow_pickle=False)
        path, code = before / folders.LISTS, inverted.code_bytes
        loads.insert(0, lambda: ListFile(old, path, code))
        sizes += old
    with atomic_path(whole / folders.SIZES) as temporary:
        np.save(temporary, sizes)
    shutil.copyfile(plan.folder / folders.CELLS, whole / folders.CELLS)
    if not (whole / folders.LISTS).exists():
        merge_blocks(loads, sizes, inverted.code_bytes, whole / folders.LISTS, report)
    return whole


def finished(
    gallery: Gallery, request: "IndexRequest", plan: "IndexPlan", whole: Path, progress: Progress
) -> IndexRecord:
    """Measures an index, moves it beside the current one, and makes it the current one."""
    # Rows that a filter has dropped since stay in a grown index's lists.
    indexed = folders.findable_rows(gallery)
    if plan.grown is not None:
        before = np.load(folders.require_current(gallery) / folders.INDEXED, allow_pickle=False)
        old = np.unpackbits(before, bitorder="little").astype(bool)[: len(indexed)]
        indexed[: len(old)] |= old
    with atomic_path(whole / folders.INDEXED) as temporary:
        np.save(temporary, np.packbits(indexed, bitorder="little"))
    record = IndexRecord(
        kind=plan.choice.kind,
        network=gallery.network,
        width=gallery.width,
        shards=shard_marks(gallery),
        settings=plan.settings,
        trained_for=plan.grown.trained_for if plan.grown else gallery.num_kept,
        files=folders.checksums(whole),
        **measured(gallery, request, whole, progress),
    )
    write_record(whole, record)
    folder = gallery.path / "index" / f"{record.kind}-{plan.folder.name}"
    if folder == folders.current_folder(gallery):  # the same again: beside, until it is whole
        folder = folder.with_name(f"{folder.name}-again")
    if folder.exists():  # a kill came before it was made current
        shutil.rmtree(folder)
    whole.rename(folder)
    folders.make_current(gallery, folder)
    _sweep(gallery, folder)
    return record


def tuned(
    gallery: Gallery, request: "IndexRequest", plan: "IndexPlan", progress: Progress
) -> IndexRecord:
    """Measures the current index anew, for another recall or with other queries."""
    folder = folders.require_current(gallery)
    found = measured(gallery, request, folder, progress)
    record = replace(read_record(folder), **found)
    write_record(folder, record)
    _sweep(gallery, folder)
    return record


def measured(
    gallery: Gallery, request: "IndexRequest", folder: Path, progress: Progress
) -> dict[str, object]:
    """The fields of a record that come from measuring."""
    queries, told = queries_of(gallery, request)
    index = folders.opened_files(gallery, folder, 1, 1, same_rows=False)
    table = measured_table(index, queries, progress)
    chosen, _, seen = enough(table, request.recall)
    return {
        "probes": chosen.probes,
        "candidates": chosen.candidates,
        "recall": chosen.recall,
        "asked": request.recall,
        "measured": [asdict(row) for row in seen],
        "measured_with": told,
    }


def queries_of(
    gallery: Gallery, request: "IndexRequest"
) -> tuple[Float32[np.ndarray, "queries width"], str]:
    """With which recall is measured, and which they are.

    Raises:
        FileNotFoundError, ValueError, FloatingPointError: see `read_queries`.
    """
    if request.queries is None:
        queries = made_up_queries(gallery, request.num_queries, seed=request.seed)
        return queries, f"{len(queries)} {MADE_UP}"
    queries = read_queries(request.queries, gallery.width, request.num_queries).vectors
    return queries, f"{len(queries)} queries of {request.queries.name}"


def _sweep(gallery: Gallery, current: Path) -> None:
    """Removes older indexes and work in progress; whoever has one open keeps its files."""
    for path in (gallery.path / "index").iterdir():
        if path.is_dir() and path != current:
            shutil.rmtree(path, ignore_errors=True)

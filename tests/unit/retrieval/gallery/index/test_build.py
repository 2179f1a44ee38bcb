"""Indexes of small galleries against exact search and faiss called bare."""

import dataclasses
import shutil

import faiss
import numpy as np
import pytest

from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.build import (
    IndexRequest,
    build_index,
    missing_blocks,
    plan_index,
)
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex
from mindeye.retrieval.gallery.index.folder import (
    check_files,
    current_folder,
    open_index,
    require_current,
)
from mindeye.retrieval.gallery.index.inverted_file import opened
from mindeye.retrieval.gallery.index.record import read_record

REQUEST = IndexRequest(kind="ivf-rabitq", lists=16, num_queries=32)


def build(gallery, request=REQUEST, progress=lambda *told: None):
    return build_index(gallery, request, plan_index(gallery, request), progress)


def recall(index, gallery, queries, k=16):
    found, true = index.search(queries, k), ExactIndex(gallery).search(queries, k)
    return np.mean([np.isin(*pair).mean() for pair in zip(found.rows, true.rows, strict=True)])


@pytest.mark.parametrize("kind", ["ivf-rabitq", "ivf-pq", "hnsw"])
def test_an_index_reaches_its_recall_and_scores_as_exact_search(gallery_of, clustered, kind):
    gallery = gallery_of()
    lists = None if kind == "hnsw" else 16
    record = build(gallery, IndexRequest(kind=kind, lists=lists, recall=0.95, num_queries=64))
    index, queries = open_index(gallery), clustered.queries(50)
    assert isinstance(index, VectorIndex)
    assert record.recall >= 0.95
    assert recall(index, gallery, queries) > 0.9
    found = index.search(queries, 16)
    cosines = np.einsum(
        "qkw,qw->qk", gallery.vectors(found.rows.ravel()).reshape(50, 16, -1), queries
    )
    np.testing.assert_allclose(found.scores, cosines, atol=1e-6)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_looking_everywhere_is_exact_search(gallery_of, clustered):
    gallery = gallery_of()
    build(gallery)
    index = open_index(gallery)
    index.probes, index.candidates = 16, gallery.num_rows
    found = index.search(clustered.queries(30), 16)
    true = ExactIndex(gallery).search(clustered.queries(30), 16)
    assert (found.rows == true.rows).all()
    np.testing.assert_allclose(found.scores, true.scores, atol=1e-6)


def test_lists_hold_what_faiss_adds_itself(gallery_of):
    gallery = gallery_of()
    build(gallery)
    folder = require_current(gallery)
    ours, bare = open_index(gallery).index, opened(folder / "cells.faiss").index
    vectors = gallery.vectors(np.arange(gallery.num_rows))
    bare.add(vectors)
    for one in (ours, bare):
        faiss.extract_index_ivf(one).nprobe = 16
    (scores, rows), (bare_scores, bare_rows) = (
        one.search(vectors[:20], 50) for one in (ours, bare)
    )
    # In bfloat16, some vectors go to another cell.
    same = [np.isin(*pair).mean() for pair in zip(rows, bare_rows, strict=True)]
    assert np.mean(same) > 0.97
    np.testing.assert_allclose(scores[:, 0], bare_scores[:, 0], rtol=0.05)


class Killed(BaseException):
    """As a kill, nothing catches it."""


def test_a_build_that_is_killed_anywhere_ends_in_the_same_bytes(gallery_of):
    gallery = gallery_of()
    told, steps = [], []

    def record_step(*step):
        steps.append(step)

    whole = build(gallery, progress=lambda *step: told.append(step)).files
    for moment in (0, 6, len(told) - 7, len(told) - 4, len(told) - 1):
        shutil.rmtree(gallery.path / "index")
        left = moment

        def stop(*_):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        with pytest.raises(Killed):
            build(gallery, progress=stop)
        assert current_folder(gallery) is None
        steps.clear()
        assert build(gallery, progress=record_step).files == whole
    assert {name for name, _, _ in told} >= {"training", "adding", "merging"}
    assert "training" not in {name for name, _, _ in steps}


def test_parts_of_several_processes_make_the_same_index(gallery_of):
    gallery = gallery_of(num_shards=4)
    whole = build(gallery).files
    shutil.rmtree(gallery.path / "index")
    for number, left in ((0, 2), (1, 0)):
        part = dataclasses.replace(REQUEST, part=(number, 2))
        assert build(gallery, part) is None
        assert len(missing_blocks(gallery, plan_index(gallery, part))) == left
    assert build(gallery).files == whole


def test_new_shards_are_added_to_the_trained_cells(gallery_of, clustered):
    build(gallery_of(num_shards=2))
    grown = gallery_of(num_shards=5)
    with pytest.raises(ValueError, match=r"lacks 3 newer shards, the first of them s2"):
        open_index(grown)
    plan = plan_index(grown, REQUEST)
    assert "3 new shards" in plan.lines(grown)[0]
    assert "--retrain" in plan.lines(grown)[1]
    before = (require_current(grown) / "cells.faiss").read_bytes()
    steps = []
    build(grown, progress=lambda *step: steps.append(step))
    assert ("adding", 3, 3) in steps
    assert "training" not in {step[0] for step in steps}
    assert (require_current(grown) / "cells.faiss").read_bytes() == before
    index = open_index(grown)
    index.probes, index.candidates = 16, grown.num_rows
    assert recall(index, grown, clustered.queries(20)) == 1
    anew = dataclasses.replace(REQUEST, retrain=True)
    assert plan_index(grown, anew).grown is None


def test_rows_that_a_filter_drops_later_are_not_found(gallery_of, clustered):
    build(gallery_of())
    fewer = gallery_of(kept={0: range(0, 700, 2), 1: range(30)})
    index = open_index(fewer)
    index.probes, index.candidates = 16, 700
    assert recall(index, fewer, clustered.queries(20)) == 1


def test_rows_that_a_filter_lets_in_later_are_refused(gallery_of):
    build(gallery_of(kept={1: range(0, 700, 2)}))
    more = gallery_of(kept={1: range(0, 701, 2)[:-1]})
    assert isinstance(open_index(more), FaissIndex)
    with pytest.raises(ValueError, match=r"350 rows .* first of them 701, .* not in its index"):
        open_index(gallery_of())


def test_few_vectors_in_the_probed_lists_are_made_up_for(gallery_of, clustered):
    gallery = gallery_of(num_shards=1, count=60)
    build(gallery)
    index = open_index(gallery)
    index.probes = 1
    found = index.search(clustered.queries(10), 50)
    assert (found.rows >= 0).all()
    assert all(len(set(rows)) == 50 for rows in found.rows.tolist())


@pytest.mark.parametrize("damage", ["cut", "width", "long", "zero", "gone"])
def test_a_damaged_shard_stops_with_its_name_and_leaves_the_old_index(
    gallery_of, clustered, damage
):
    before = build(gallery_of(num_shards=2)).files
    grown = gallery_of(num_shards=3)
    path = grown.path / grown.shards[2].embeddings
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "width":
        np.save(path, np.zeros((700, 31), dtype=np.float16))
    elif damage == "gone":
        path.unlink()
    else:
        np.save(path, np.load(path) * np.float16(2 if damage == "long" else 0))
    for request in (REQUEST, dataclasses.replace(REQUEST, retrain=True)):
        with pytest.raises((ValueError, FileNotFoundError), match=r"shard s2"):
            build(grown, request)
    assert read_record(require_current(grown)).files == before
    assert isinstance(open_index(gallery_of(num_shards=2)), FaissIndex)


def test_an_index_of_another_gallery_is_refused(gallery_of):
    gallery = gallery_of()
    build(gallery)
    other = dataclasses.replace(gallery.shards[1], sha256="another")
    changed = dataclasses.replace(gallery, shards=(gallery.shards[0], other, gallery.shards[2]))
    with pytest.raises(ValueError, match=r"another gallery: its shard s1"):
        open_index(changed)
    with pytest.raises(ValueError, match=r"another gallery: its shard s2"):
        open_index(dataclasses.replace(gallery, shards=gallery.shards[:2]))
    with pytest.raises(ValueError, match=r"vectors of simulated .* gallery of b"):
        open_index(dataclasses.replace(gallery, network="b"))


def test_files_that_were_cut_or_changed_are_noticed(gallery_of):
    gallery = gallery_of()
    build(gallery)
    path = require_current(gallery) / "lists.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"lists.bin has changed"):
        check_files(path.parent)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"lists.bin has \d+ bytes, but was written with"):
        open_index(gallery)


def test_an_open_index_is_searched_while_the_next_takes_its_place(gallery_of, clustered):
    gallery = gallery_of()
    build(gallery)
    queries, old = clustered.queries(10), open_index(gallery)
    before = old.search(queries, 5)
    first = require_current(gallery)
    build(gallery, dataclasses.replace(REQUEST, lists=8, retrain=True))
    assert require_current(gallery) != first
    assert not first.exists()
    after = old.search(queries, 5)
    assert (before.rows == after.rows).all()
    again = require_current(gallery)
    build(gallery, dataclasses.replace(REQUEST, lists=8, retrain=True))
    assert require_current(gallery) != again
    assert isinstance(open_index(gallery), FaissIndex)


def test_another_recall_is_only_measured_again(gallery_of):
    gallery = gallery_of()
    before, steps = build(gallery, dataclasses.replace(REQUEST, recall=0.5)), []
    more = dataclasses.replace(REQUEST, recall=0.99)
    after = build(gallery, more, lambda *step: steps.append(step[0]))
    assert set(steps) == {"exact search"}
    assert after.files == before.files
    assert before.recall >= 0.5
    assert after.recall >= 0.99
    assert after.probes > before.probes


def test_given_queries_measure_the_recall(gallery_of, clustered, tmp_path):
    gallery = gallery_of()
    np.save(tmp_path / "q.npy", 3 * clustered.queries(32))
    record = build(gallery, dataclasses.replace(REQUEST, queries=tmp_path / "q.npy"))
    assert record.measured_with == "32 queries of q.npy"
    row = next(one for one in record.measured if one["probes"] == record.probes
               and one["candidates"] == record.candidates)  # fmt: skip
    index = open_index(gallery)
    assert recall(index, gallery, clustered.queries(32)) == pytest.approx(row["recall"])
    np.save(tmp_path / "q.npy", clustered.queries(32)[:, :8])
    with pytest.raises(ValueError, match=r"has shape \(32, 8\).* have 32 numbers"):
        build(gallery, dataclasses.replace(REQUEST, queries=tmp_path / "q.npy"))


def test_without_an_index_search_is_exact(gallery_of):
    gallery = gallery_of()
    assert isinstance(open_index(gallery), ExactIndex)
    build(gallery)
    build(gallery, IndexRequest(kind="exact"))
    assert isinstance(open_index(gallery), ExactIndex)


def test_a_grown_index_still_leaves_out_what_was_dropped_before(gallery_of, clustered):
    build(gallery_of(num_shards=2))
    fewer = gallery_of(num_shards=3, kept={0: range(0, 700, 2)})
    build(fewer)
    index = open_index(fewer)
    assert index.index.ntotal == 2100
    index.probes, index.candidates = 16, 2100
    assert recall(index, fewer, clustered.queries(20)) == 1


def test_opening_an_unchanged_gallery_reads_no_kept_rows(gallery_of, monkeypatch):
    gallery = gallery_of(kept={1: range(0, 700, 2)})
    build(gallery)
    monkeypatch.setattr(type(gallery), "kept_rows", None)
    assert isinstance(open_index(gallery), FaissIndex)

"""Galleries that grow, or lose rows, after their index was built."""

import dataclasses

import numpy as np
import pytest

from mindeye.retrieval.gallery.index.build import IndexRequest, plan_index
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex
from mindeye.retrieval.gallery.index.folder import open_index, require_current
from mindeye.retrieval.gallery.index.record import read_record


def test_new_shards_are_added_to_the_trained_cells(gallery_of, clustered, build, recall, chosen):
    build(gallery_of(num_shards=2))
    grown = gallery_of(num_shards=5)
    with pytest.raises(ValueError, match=r"lacks 3 newer shards, the first of them s2"):
        open_index(grown)
    plan = plan_index(grown, chosen)
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
    anew = dataclasses.replace(chosen, retrain=True)
    assert plan_index(grown, anew).grown is None


def test_rows_that_a_filter_drops_later_are_not_found(gallery_of, clustered, build, recall):
    build(gallery_of())
    fewer = gallery_of(kept={0: range(0, 700, 2), 1: range(30)})
    index = open_index(fewer)
    index.probes, index.candidates = 16, 700
    assert recall(index, fewer, clustered.queries(20)) == 1


def test_rows_that_a_filter_lets_in_later_are_refused(gallery_of, build):
    build(gallery_of(kept={1: range(0, 700, 2)}))
    more = gallery_of(kept={1: range(0, 701, 2)[:-1]})
    assert isinstance(open_index(more), FaissIndex)
    with pytest.raises(ValueError, match=r"350 rows .* first of them 701, .* not in its index"):
        open_index(gallery_of())


def test_as_many_other_rows_are_told_from_those_of_the_index(gallery_of, build):
    build(gallery_of(kept={1: range(0, 700, 2)}))
    with pytest.raises(ValueError, match=r"350 rows .* first of them 701, .* not in its index"):
        open_index(gallery_of(kept={1: range(1, 700, 2)}))


def test_blocks_of_rows_that_a_filter_has_changed_since_are_not_merged(
    gallery_of, clustered, build, recall, chosen
):
    build(gallery_of(), dataclasses.replace(chosen, part=(0, 2)))
    fewer = gallery_of(kept={0: range(0, 700, 2)})
    build(fewer)
    index = open_index(fewer)
    assert index.index.ntotal == 1750
    index.probes, index.candidates = 16, 1750
    assert recall(index, fewer, clustered.queries(20)) == 1


def test_rows_that_were_dropped_before_a_growth_may_come_back_after_it(
    gallery_of, clustered, build, recall
):
    build(gallery_of(num_shards=2))
    build(gallery_of(num_shards=3, kept={0: range(0, 700, 2)}))
    whole = gallery_of(num_shards=3)
    index = open_index(whole)
    index.probes, index.candidates = 16, 2100
    assert recall(index, whole, clustered.queries(20)) == 1


@pytest.mark.parametrize("count", [696, 697, 703])
def test_an_index_grows_also_where_its_rows_fill_no_whole_bytes(gallery_of, build, chosen, count):
    build(gallery_of(num_shards=1, count=count))
    plan = plan_index(gallery_of(num_shards=2, count=count), chosen)
    assert plan.grown is not None
    assert "1 new shards are added" in plan.lines(gallery_of(num_shards=2, count=count))[0]


def test_an_index_that_grew_remembers_for_how_many_its_cells_were_made(gallery_of, build, chosen):
    build(gallery_of(num_shards=2))
    grown = gallery_of(num_shards=5)
    assert build(grown).trained_for == 1400
    assert "--retrain" in plan_index(gallery_of(num_shards=6), chosen).lines(gallery_of(6))[1]


def test_what_cannot_be_grown_is_built_anew(gallery_of, build, chosen):
    gallery = gallery_of(num_shards=2, kept={1: range(350)})
    build(gallery)
    grown = gallery_of(num_shards=3, kept={1: range(350)})
    assert plan_index(grown, chosen).grown is not None
    assert plan_index(grown, dataclasses.replace(chosen, lists=8)).grown is None
    # A filter has let rows in that the lists do not hold.
    assert plan_index(gallery_of(num_shards=3), chosen).grown is None
    path = require_current(gallery) / "lists.bin"
    path.write_bytes(path.read_bytes()[:-1])
    assert plan_index(grown, chosen).grown is None


def test_a_graph_is_built_anew_of_all_shards(gallery_of, clustered, build, recall):
    graph = IndexRequest(kind="hnsw", num_queries=32)
    build(gallery_of(num_shards=1), graph)
    grown = gallery_of(num_shards=2)
    record = build(grown, graph)
    assert record.trained_for == grown.num_kept
    index = open_index(grown)
    assert index.index.ntotal == 1400
    assert recall(index, grown, clustered.queries(20)) > 0.9


@pytest.mark.parametrize("damage", ["cut", "width", "long", "zero", "nan", "gone"])
def test_a_damaged_shard_stops_with_its_name_and_leaves_the_old_index(
    gallery_of, clustered, damage, build, chosen
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
        factor = {"long": 2, "zero": 0, "nan": np.nan}[damage]
        np.save(path, np.load(path) * np.float16(factor))
    for request in (chosen, dataclasses.replace(chosen, retrain=True)):
        with pytest.raises((ValueError, FileNotFoundError), match=r"shard s2"):
            build(grown, request)
    assert read_record(require_current(grown)).files == before
    assert isinstance(open_index(gallery_of(num_shards=2)), FaissIndex)


def test_a_grown_index_still_leaves_out_what_was_dropped_before(
    gallery_of, clustered, build, recall
):
    build(gallery_of(num_shards=2))
    fewer = gallery_of(num_shards=3, kept={0: range(0, 700, 2)})
    build(fewer)
    index = open_index(fewer)
    assert index.index.ntotal == 2100
    index.probes, index.candidates = 16, 2100
    assert recall(index, fewer, clustered.queries(20)) == 1

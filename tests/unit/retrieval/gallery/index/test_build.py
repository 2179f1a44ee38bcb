"""Indexes of small galleries against exact search and faiss called bare."""

import dataclasses
import shutil

import faiss
import numpy as np
import pytest

from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.build import IndexRequest, missing_blocks, plan_index
from mindeye.retrieval.gallery.index.folder import current_folder, open_index, require_current
from mindeye.retrieval.gallery.index.inverted_file import opened


@pytest.mark.parametrize("kind", ["ivf-rabitq", "ivf-pq", "hnsw"])
def test_an_index_reaches_its_recall_and_scores_as_exact_search(
    gallery_of, clustered, kind, build, recall
):
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


def test_looking_everywhere_is_exact_search(gallery_of, clustered, build):
    gallery = gallery_of()
    build(gallery)
    index = open_index(gallery)
    index.probes, index.candidates = 16, gallery.num_rows
    found = index.search(clustered.queries(30), 16)
    true = ExactIndex(gallery).search(clustered.queries(30), 16)
    assert (found.rows == true.rows).all()
    np.testing.assert_allclose(found.scores, true.scores, atol=1e-6)


def test_lists_hold_what_faiss_adds_itself(gallery_of, build):
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


def test_a_build_that_is_killed_anywhere_ends_in_the_same_bytes(gallery_of, build):
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


def test_parts_of_several_processes_make_the_same_index(gallery_of, build, chosen):
    gallery = gallery_of(num_shards=4)
    whole = build(gallery).files
    shutil.rmtree(gallery.path / "index")
    for number, left in ((0, 2), (1, 0)):
        part = dataclasses.replace(chosen, part=(number, 2))
        assert build(gallery, part) is None
        assert len(missing_blocks(gallery, plan_index(gallery, part))) == left
    assert build(gallery).files == whole


def test_few_vectors_in_the_probed_lists_are_made_up_for(gallery_of, clustered, build):
    gallery = gallery_of(num_shards=1, count=60)
    build(gallery)
    index = open_index(gallery)
    index.probes = index.candidates = 1
    assert index.search(clustered.queries(10), 7).rows.shape == (10, 7)
    found = index.search(clustered.queries(10), 50)
    assert (found.rows >= 0).all()
    assert all(len(set(rows)) == 50 for rows in found.rows.tolist())


def test_another_recall_is_only_measured_again(gallery_of, build, chosen):
    gallery = gallery_of()
    before, steps = build(gallery, dataclasses.replace(chosen, recall=0.5)), []
    more = dataclasses.replace(chosen, recall=0.99)
    after = build(gallery, more, lambda *step: steps.append(step[0]))
    assert set(steps) == {"exact search"}
    assert after.files == before.files
    assert before.recall >= 0.5
    assert after.recall >= 0.99
    assert after.probes > before.probes


def test_given_queries_measure_the_recall(gallery_of, clustered, tmp_path, build, recall, chosen):
    gallery = gallery_of()
    np.save(tmp_path / "q.npy", 3 * clustered.queries(32))
    record = build(gallery, dataclasses.replace(chosen, queries=tmp_path / "q.npy"))
    assert record.measured_with == "32 queries of q.npy"
    row = next(one for one in record.measured if one["probes"] == record.probes
               and one["candidates"] == record.candidates)  # fmt: skip
    index = open_index(gallery)
    assert recall(index, gallery, clustered.queries(32)) == pytest.approx(row["recall"])
    np.save(tmp_path / "q.npy", clustered.queries(32)[:, :8])
    with pytest.raises(ValueError, match=r"has shape \(32, 8\).* have 32 numbers"):
        build(gallery, dataclasses.replace(chosen, queries=tmp_path / "q.npy"))

"""The benchmark of indexes, at a size that takes seconds."""

import json

import numpy as np
import pytest

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.verbs.benchmarks.gallery_index import files_of, work_of
from mindeye.verbs.benchmarks.gallery_work import simulated_gallery, write_truth


@pytest.fixture
def gallery(tmp_path):
    folder, silent = tmp_path / "gallery", lambda done, total: None
    return simulated_gallery(folder, 2_000, 32, 0, silent, shard=800)


def told(name, gallery, **settings):
    return json.loads(work_of(name, {"folder": str(gallery.path), "threads": 1, **settings}))


def test_builds_and_searches_are_told_with_what_they_cost(gallery):
    write_truth(gallery, 64, 0)
    ours = told("ours", gallery, lists=8, recall=0.97, memory=10**10)
    stages = ours["training_s"] + ours["adding_s"] + ours["writing_s"]
    assert stages == pytest.approx(ours["build_s"])
    bare = told("bare", gallery, lists=8, sample=320)
    assert not (gallery.path / "bare.faiss").exists()
    found = told("search", gallery, num_queries=64, seed=0)
    assert found["recall"] > 0.9
    assert ours["peak_mb"] > 0
    assert bare["build_s"] > 0
    assert set(files_of(gallery.path)) >= {"cells.faiss", "lists.bin"}


def test_the_truth_is_that_of_queries_in_no_shard(gallery):
    write_truth(gallery, 8, 0)
    (path,) = gallery.path.glob("*truth.npy")
    queries = ClusteredVectors(width=32).queries(8)
    assert (np.load(path) == ExactIndex(gallery).search(queries, 16).rows).all()


def test_shards_that_lie_there_are_taken(gallery):
    path = gallery.path / gallery.shards[1].embeddings
    before = path.stat().st_mtime_ns
    again = simulated_gallery(gallery.path, 2_000, 32, 0, lambda done, total: None, shard=800)
    assert path.stat().st_mtime_ns == before
    assert again.shards == gallery.shards

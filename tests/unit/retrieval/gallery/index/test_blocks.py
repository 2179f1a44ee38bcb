"""Shards that are read a block at a time give what they give at once; what is wrong is named."""

import numpy as np
import pytest

from mindeye.retrieval.gallery.index import blocks, graph_index
from mindeye.retrieval.gallery.index.build import IndexRequest
from mindeye.retrieval.gallery.index.folder import open_index
from mindeye.retrieval.gallery.index.graph_index import build_graph

KEPT = {0: range(350), 1: range(0, 700, 2)}


@pytest.mark.parametrize("kind", ["ivf-rabitq", "hnsw"])
def test_a_shard_of_many_blocks_is_found_whole(
    gallery_of, clustered, build, recall, kind, monkeypatch
):
    for module in (blocks, graph_index):
        monkeypatch.setattr(module, "BLOCK", 100)
    gallery = gallery_of(kept=KEPT)
    lists = None if kind == "hnsw" else 16
    build(gallery, IndexRequest(kind=kind, lists=lists, num_queries=32))
    index = open_index(gallery)
    assert index.index.ntotal == gallery.num_kept == 1400
    index.probes, index.candidates = (16, 1400) if lists else (1400, 1400)
    assert recall(index, gallery, clustered.queries(20)) == pytest.approx(1, abs=0.02)


def spoiled(gallery, row: int) -> None:
    path = gallery.path / gallery.shards[1].embeddings
    vectors = np.load(path)
    vectors[row] *= 2
    np.save(path, vectors)


def test_a_row_that_is_not_of_length_one_is_named(gallery_of, build):
    gallery = gallery_of(kept=KEPT)
    spoiled(gallery, 300)
    with pytest.raises(ValueError, match="Row 300 of shard s1 has length 2"):
        build(gallery)


def test_a_graph_takes_no_row_that_is_not_of_length_one(gallery_of, tmp_path):
    gallery = gallery_of()
    # Not among the few of which it learns how numbers are rounded.
    spoiled(gallery, 699)
    (tmp_path / "whole").mkdir()
    with pytest.raises(ValueError, match="Row 699 of shard s1 has length 2"):
        build_graph(gallery, tmp_path, 5, lambda *told: None, seed=0)


def test_a_disk_without_room_is_told_before_anything_is_built(gallery_of, build, monkeypatch):
    gallery = gallery_of()

    def full(folder, num_bytes, what):
        raise OSError(f"no room for {what}")

    monkeypatch.setattr("mindeye.retrieval.gallery.index.build.require_free_space", full)
    with pytest.raises(OSError, match="no room for The index"):
        build(gallery)
    assert not (gallery.path / "index").exists()

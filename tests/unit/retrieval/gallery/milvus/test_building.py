"""How far a server's index is, told by a made-up client: waiting, giving up, refusing to search."""

from dataclasses import replace

import pytest

pytest.importorskip("pymilvus", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

import pymilvus

from mindeye.retrieval.gallery.milvus import building
from mindeye.retrieval.gallery.milvus.building import (
    of_collection,
    require_built,
    wait_until_built,
)
from mindeye.retrieval.gallery.milvus.client import MilvusConfig

CONFIG = MilvusConfig(uri="http://host:19530")


class Client(pymilvus.MilvusClient):
    """Answers as a server of 100 vectors, of which so many wait, one answer a question."""

    def __init__(self, pending, state="Finished"):
        self.pending, self.state = iter(pending), state

    def list_indexes(self, collection):
        return ["vector"]

    def describe_index(self, collection, name):
        told = {"state": self.state, "total_rows": 100}
        return {**told, "pending_index_rows": next(self.pending)}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(building, "PAUSE_S", 0)


def test_it_waits_until_no_vector_waits_and_tells_how_far_it_is():
    told = []
    wait_until_built(Client([100, 40, 40, 0]), CONFIG, lambda *one: told.append(one))
    assert told == [(0, 100), (60, 100), (60, 100), (100, 100)]


def test_a_server_that_does_not_go_on_or_gave_up_is_told():
    never = Client(iter(lambda: 99, None))
    with pytest.raises(OSError, match=r"DISKANN of only 1 of 100 and does not go on"):
        wait_until_built(never, CONFIG, patience_s=0.01)
    with pytest.raises(OSError, match="of only 0 of 100"):
        wait_until_built(Client([100], "Failed"), CONFIG)


def test_patience_begins_anew_with_every_change(monkeypatch):
    clock = iter(range(0, 1_000, 5))
    monkeypatch.setattr(building.time, "monotonic", lambda: next(clock))
    wait_until_built(Client(range(20, -1, -1)), CONFIG, patience_s=12)
    # Segments that a server has joined are built anew.
    wait_until_built(Client([30, 10, 60, 70, 80, 90, 0]), CONFIG, patience_s=12)


def test_what_is_not_indexed_is_not_searched_but_lite_needs_no_index():
    with pytest.raises(ValueError, match=r"30 of 100 vectors wait.*gallery index"):
        require_built(Client([30]), CONFIG)
    require_built(Client([0]), CONFIG)
    lite = MilvusConfig(uri="x.db")
    require_built(Client([]), lite)
    wait_until_built(Client([]), lite)


def test_a_server_that_gave_up_is_told_also_where_no_vector_waits():
    with pytest.raises(OSError, match="of only 100 of 100"):
        wait_until_built(Client([0], "Failed"), CONFIG)


@pytest.mark.parametrize(("told", "asked"), [("true", True), (False, "false"), ("16", 16)])
def test_parameters_are_compared_as_they_are_meant(told, asked):
    class Known(Client):
        def describe_index(self, collection, name):
            return {"index_type": "HNSW_SQ", "refine": told}

    known = Known([])
    kept = of_collection(known, replace(CONFIG, parameters={"refine": asked}))
    assert kept.kind == "HNSW_SQ"
    with pytest.raises(ValueError, match="not HNSW_SQ, refine other"):
        of_collection(known, replace(CONFIG, parameters={"refine": "other"}))


def test_a_collection_of_several_indexes_is_not_ours():
    class Two(Client):
        def list_indexes(self, collection):
            return ["vector", "text"]

    with pytest.raises(ValueError, match="has 2 indexes, not the one of"):
        of_collection(Two([]), CONFIG)

"""What of a search reaches Milvus: its settings, how many queries at once, how many results."""

from dataclasses import replace

import pytest

pytest.importorskip("milvus_lite", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

import pymilvus

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.milvus import engine
from mindeye.retrieval.gallery.milvus.client import MilvusConfig
from mindeye.retrieval.gallery.milvus.engine import open_milvus
from mindeye.retrieval.gallery.milvus.importing import import_gallery


@pytest.fixture
def gallery(gallery_of):
    return gallery_of(num_shards=2, count=150)


@pytest.fixture
def index(gallery, tmp_path):
    config = MilvusConfig(uri=str(tmp_path / "vectors.db"), index="HNSW", search={"ef": 177})
    import_gallery(gallery, config)
    index = open_milvus(gallery, config)
    yield index
    index.close()


@pytest.fixture
def asked(monkeypatch):
    """Queries, results and settings of each search of the server."""
    asked, plain = [], pymilvus.MilvusClient.search

    def search(self, *given, **options):
        asked.append((len(options["data"]), options["limit"], options["search_params"]["params"]))
        return plain(self, *given, **options)

    monkeypatch.setattr(pymilvus.MilvusClient, "search", search)
    return asked


def test_many_queries_go_in_parts_and_more_is_asked_for_than_is_given(
    gallery, index, asked, clustered, monkeypatch
):
    monkeypatch.setattr(engine, "MAX_QUERIES", 4)
    queries = clustered.queries(9)
    found = index.search(queries, 3)
    assert asked == [(count, 100, {"ef": 177}) for count in (4, 4, 1)]
    assert (found.rows == ExactIndex(gallery).search(queries, 3).rows).all()


def test_more_results_than_milvus_gives_are_neither_asked_for_nor_promised(
    index, asked, clustered, monkeypatch
):
    monkeypatch.setattr(engine, "MAX_RESULTS", 50)
    assert index.search(clustered.queries(1), 50).rows.shape == (1, 50)
    assert [limit for _, limit, _ in asked] == [50]
    with pytest.raises(ValueError, match=r"51 neighbours are more than Milvus gives\. Choose 50\."):
        index.search(clustered.queries(1), 51)


def test_closing_lets_go_of_the_database(index, monkeypatch):
    closed, plain = [], pymilvus.MilvusClient.close
    monkeypatch.setattr(
        pymilvus.MilvusClient, "close", lambda client: closed.append(client) or plain(client)
    )
    index.close()
    assert closed == [index.client]


def test_no_more_is_asked_for_than_the_gallery_has(index, asked, clustered):
    index.config = replace(index.config, candidates=1_000)
    index.search(clustered.queries(1), 3)
    assert [limit for _, limit, _ in asked] == [300]

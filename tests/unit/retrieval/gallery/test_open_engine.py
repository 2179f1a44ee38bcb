"""What searches a gallery: what was asked for, and when nothing was."""

import pytest

from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.build import IndexRequest, build_index, plan_index
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex
from mindeye.retrieval.gallery.open_engine import milvus_config, open_engine


def test_the_index_is_searched_where_there_is_one(gallery_of):
    gallery, choice = gallery_of(num_shards=1), EngineChoice(engine="faiss")
    assert isinstance(open_engine(gallery, choice), ExactIndex)
    assert isinstance(open_engine(gallery, EngineChoice()), ExactIndex)
    request = IndexRequest(kind="ivf-rabitq", lists=4, num_queries=8)
    build_index(gallery, request, plan_index(gallery, request), lambda *told: None)
    assert isinstance(open_engine(gallery, choice), FaissIndex)
    assert isinstance(open_engine(gallery, EngineChoice()), FaissIndex)


def test_what_is_asked_of_milvus_reaches_it():
    pytest.importorskip("pymilvus", reason="needs the extra `milvus`: pip install mindeye[milvus]")
    settings = {"collection": "laion", "index": "HNSW"}
    choice = EngineChoice(engine="milvus", uri="http://h:1", token="root:secret", settings=settings)
    config = milvus_config(choice)
    assert (config.uri, config.token) == ("http://h:1", "root:secret")
    assert (config.collection, config.index) == ("laion", "HNSW")

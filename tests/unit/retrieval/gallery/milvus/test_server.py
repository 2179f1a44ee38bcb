"""A Milvus server against exact search; Milvus Lite tells nothing of what a server builds."""

import dataclasses
import os
from functools import partial

import numpy as np
import pytest

pytest.importorskip("pymilvus", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.milvus import importing
from mindeye.retrieval.gallery.milvus.building import wait_until_built
from mindeye.retrieval.gallery.milvus.client import MilvusConfig, connect
from mindeye.retrieval.gallery.milvus.engine import open_milvus
from mindeye.retrieval.gallery.milvus.importing import import_gallery

URI = "MINDEYE_MILVUS_URI"
pytestmark = pytest.mark.skipif(
    URI not in os.environ,
    reason="needs a Milvus server: `pip install milvus==2.3.5 && milvus-server --data DIR` in an "
    f"environment of its own, then {URI}=http://127.0.0.1:19530 pytest FILE",
)


@pytest.fixture
def config():
    """A collection of its own, which is dropped at the end."""
    config = MilvusConfig(uri=os.environ[URI], collection=f"mindeye_test_{os.getpid()}")
    yield config
    client = connect(config)
    client.drop_collection(config.collection)
    client.close()


# Not DISKANN: 2.3.5 as pip installs it is without, and tries for ever.
@pytest.mark.parametrize(
    ("kind", "parameters", "search"),
    [
        ("HNSW", {"M": 16, "efConstruction": 100}, {"ef": 200}),
        ("IVF_SQ8", {"nlist": 16}, {"nprobe": 16}),
    ],
)
def test_the_same_neighbours_as_exact_search(
    gallery_of, clustered, config, kind, parameters, search
):
    # Segments of fewer than 1,024 vectors are searched without an index.
    gallery = gallery_of(num_shards=3, count=1_500, kept={1: range(0, 1_500, 2)})
    config = dataclasses.replace(config, index=kind, parameters=parameters, search=search)
    assert import_gallery(gallery, config).num_vectors == gallery.num_kept
    assert import_gallery(gallery, config).num_vectors == 0
    index, queries = open_milvus(gallery, config), clustered.queries(20)
    found, exact = index.search(queries, 16), ExactIndex(gallery).search(queries, 16)
    index.close()
    assert np.mean([np.isin(*pair).mean() for pair in zip(found.rows, exact.rows)]) > 0.99
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-2)


def test_an_index_that_the_server_cannot_build_is_told_and_not_searched(
    gallery_of, config, monkeypatch
):
    monkeypatch.setattr(importing, "wait_until_built", partial(wait_until_built, patience_s=10))
    gallery, config = gallery_of(num_shards=1, count=1_500), dataclasses.replace(config)
    with pytest.raises(OSError, match=r"built its DISKANN of only 0 of 1,500 and does not go on"):
        import_gallery(gallery, config)
    with pytest.raises(ValueError, match=r"1,500 of 1,500 vectors wait"):
        open_milvus(gallery, config)


def test_a_gallery_that_changed_replaces_its_partitions(gallery_of, clustered, config):
    lists = {"parameters": {"nlist": 4}, "search": {"nprobe": 4}}
    config = dataclasses.replace(config, shards_per_partition=1, index="IVF_SQ8", **lists)
    import_gallery(gallery_of(num_shards=2), config)
    fewer = gallery_of(num_shards=3, kept={0: range(350)})
    done = import_gallery(fewer, config)
    assert (done.num_shards, done.num_present, done.num_dropped) == (2, 1, 1)
    index = open_milvus(fewer, config)
    found = index.search(clustered.queries(5), 16)
    index.close()
    assert (found.rows == ExactIndex(fewer).search(clustered.queries(5), 16).rows).all()

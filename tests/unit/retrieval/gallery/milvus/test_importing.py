"""Which partitions there are, what is dropped, and what an import tells on the way."""

from dataclasses import replace

import pytest

pytest.importorskip("milvus_lite", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

import pymilvus

from mindeye.retrieval.gallery.milvus import engine, importing
from mindeye.retrieval.gallery.milvus.client import MilvusConfig
from mindeye.retrieval.gallery.milvus.engine import open_milvus
from mindeye.retrieval.gallery.milvus.importing import (
    _drop_others,
    import_gallery,
    owner_of,
    partitions_of,
)

SERVER = MilvusConfig(uri="http://host:19530")


@pytest.fixture
def config(tmp_path):
    return MilvusConfig(uri=str(tmp_path / "vectors.db"), shards_per_partition=2, block=64)


def test_as_many_other_rows_of_a_shard_are_another_partition(gallery_of):
    names = {
        one.name
        for rows in (range(5), range(5, 10))
        for one in partitions_of(gallery_of(num_shards=1, count=10, kept={0: rows}), SERVER)
    }
    assert len(names) == 2


def test_other_vectors_of_a_shard_are_another_partition(gallery_of):
    gallery = gallery_of(num_shards=2, count=10)
    shards = (gallery.shards[0], replace(gallery.shards[1], sha256="another"))
    names, others = (
        [one.name for one in partitions_of(of, replace(SERVER, shards_per_partition=1))]
        for of in (gallery, replace(gallery, shards=shards))
    )
    assert names[0] == others[0]
    assert names[1] != others[1]
    # Both are the gallery's own: the older one is dropped, not refused.
    assert owner_of(gallery) in names[1]
    assert owner_of(gallery) in others[1]


def test_a_collection_of_another_width_is_left_alone(gallery_of, config):
    gallery = gallery_of(num_shards=1, count=10)
    import_gallery(gallery, config)
    with pytest.raises(ValueError, match=r"not row and vector of 31 numbers\. Give another name"):
        import_gallery(replace(gallery, width=31), config)


def test_an_import_tells_how_far_it_is_and_ends_when_the_index_is_built(
    gallery_of, config, monkeypatch
):
    gallery, told, waited = gallery_of(count=20, kept={1: range(7)}), [], []

    def building(done, total):
        """Told of the index."""

    monkeypatch.setattr(importing, "wait_until_built", lambda *given: waited.append(given[1:]))
    import_gallery(gallery, config, lambda *one: told.append(one), building)
    assert told == [(20, 47), (27, 47), (47, 47)]
    assert waited == [(replace(config, index="AUTOINDEX"), building)]


def test_what_has_no_whole_index_is_not_opened(gallery_of, config, monkeypatch):
    gallery = gallery_of(num_shards=1, count=10)
    import_gallery(gallery, config)

    def waiting(client, config):
        raise ValueError("10 of 10 vectors wait")

    monkeypatch.setattr(engine, "require_built", waiting)
    with pytest.raises(ValueError, match="10 of 10 vectors wait"):
        open_milvus(gallery, config)


def test_a_server_lets_go_of_a_partition_before_it_drops_it(gallery_of):
    gallery, calls = gallery_of(num_shards=1, count=10), []
    old = f"p0_{owner_of(gallery)}_old"

    class Server(pymilvus.MilvusClient):
        def __init__(self):
            """Is nowhere."""

        def list_partitions(self, collection):
            return ["_default", old]

        def release_partitions(self, collection, names):
            calls.append(("release", *names))

        def drop_partition(self, collection, name):
            calls.append(("drop", name))

    wanted = partitions_of(gallery, SERVER)
    assert _drop_others(Server(), gallery, wanted, SERVER) == 1
    assert calls == [("release", old), ("drop", old)]

"""Milvus Lite against exact search; imports that break and go on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("milvus_lite", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

import pymilvus

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery
from mindeye.retrieval.gallery.milvus import engine
from mindeye.retrieval.gallery.milvus.building import of_collection
from mindeye.retrieval.gallery.milvus.client import LITE_KINDS, MilvusConfig, connect
from mindeye.retrieval.gallery.milvus.engine import open_milvus
from mindeye.retrieval.gallery.milvus.importing import import_gallery, partitions_of

WIDTH, COUNTS = 16, (300, 500, 200)


@pytest.fixture
def gallery(tmp_path):
    """A thousand vectors in three shards; of the second every third is left out."""
    rng, folder, shards, first = np.random.default_rng(0), tmp_path / "gallery", [], 0
    folder.mkdir()
    for number, count in enumerate(COUNTS):
        vectors = rng.standard_normal((count, WIDTH))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(folder / f"{number}.npy", vectors.astype(np.float16))
        kept = np.flatnonzero(np.arange(count) % 3) if number == 1 else np.arange(count)
        np.save(folder / f"kept{number}.npy", kept)
        shards.append(
            GalleryShard(
                name=f"shard{number}",
                first=first,
                count=count,
                num_kept=len(kept),
                embeddings=Path(f"{number}.npy"),
                kept=Path(f"kept{number}.npy"),
                sha256=str(number),
            )
        )
        first += count
    return write_gallery(folder, network="n", width=WIDTH, shards=shards, about={})


@pytest.fixture
def config(tmp_path):
    return MilvusConfig(uri=str(tmp_path / "vectors.db"), shards_per_partition=2, block=64)


def queries_of(count: int) -> np.ndarray:
    queries = np.random.default_rng(1).standard_normal((count, WIDTH)).astype(np.float32)
    return queries / np.linalg.norm(queries, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("", {}),
        ("HNSW", {"parameters": {"M": 16, "efConstruction": 100}, "search": {"ef": 128}}),
        ("IVF_SQ8", {"parameters": {"nlist": 8}, "search": {"nprobe": 8}}),
    ],
)
def test_the_same_neighbours_as_exact_search_with_the_same_cosines(gallery, config, kind, settings):
    config = replace(config, index=kind, **settings)
    done = import_gallery(gallery, config)
    assert (done.num_vectors, done.num_shards) == (gallery.num_kept, 3)
    index = open_milvus(gallery, config)
    found, exact = index.search(queries_of(9), 16), ExactIndex(gallery).search(queries_of(9), 16)
    index.close()
    assert (found.rows == exact.rows).all()
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)
    assert str(config.uri) not in index.about


def test_what_is_in_is_not_sent_again(gallery, config):
    import_gallery(gallery, config)
    again = import_gallery(gallery, config)
    assert (again.num_vectors, again.num_present, again.num_dropped) == (0, 3, 0)


def test_a_server_that_goes_away_is_named_with_the_shard_and_the_import_goes_on(
    gallery, config, monkeypatch
):
    insert, calls = pymilvus.MilvusClient.insert, []

    def breaking(self, *arguments, **options):
        calls.append(1)
        # The first shard takes five blocks, the second six: in the middle of the second.
        if len(calls) == 8:
            raise pymilvus.MilvusException(message="connection refused")
        return insert(self, *arguments, **options)

    monkeypatch.setattr(pymilvus.MilvusClient, "insert", breaking)
    with pytest.raises(OSError, match=r"connection refused\): it stopped at shard shard1\. Run"):
        import_gallery(gallery, config)
    with pytest.raises(ValueError, match="partitions are missing"):
        open_milvus(gallery, config)
    again = import_gallery(gallery, config)
    assert (again.num_shards, again.num_present) == (2, 1)
    index = open_milvus(gallery, config)
    found = index.search(queries_of(5), 16)
    index.close()
    assert (found.rows == ExactIndex(gallery).search(queries_of(5), 16).rows).all()


def test_a_gallery_that_grew_or_changed_sends_only_what_changed(gallery, config):
    smaller = replace(gallery, shards=gallery.shards[:2])
    import_gallery(smaller, config)
    grown = import_gallery(gallery, config)
    assert (grown.num_shards, grown.num_present, grown.num_dropped) == (1, 2, 0)
    kept = np.arange(0, 500, 2)
    np.save(gallery.path / "fewer.npy", kept)
    second = replace(gallery.shards[1], kept=Path("fewer.npy"), num_kept=len(kept))
    changed = replace(gallery, shards=(gallery.shards[0], second, gallery.shards[2]))
    with pytest.raises(ValueError, match="holds other shards"):
        open_milvus(changed, config)
    done = import_gallery(changed, config)
    assert (done.num_shards, done.num_present, done.num_dropped) == (2, 1, 1)
    index = open_milvus(changed, config)
    found = index.search(queries_of(5), 16)
    index.close()
    assert (found.rows == ExactIndex(changed).search(queries_of(5), 16).rows).all()


def test_another_network_is_another_partition(gallery, config):
    names = {one.name for one in partitions_of(gallery, config)}
    other = {one.name for one in partitions_of(replace(gallery, network="other"), config)}
    assert len(names) == 2
    assert not names & other


def test_the_collection_of_another_gallery_is_refused_and_keeps_its_vectors(gallery, config):
    import_gallery(gallery, config)
    other = replace(gallery, shards=(replace(gallery.shards[0], sha256="0" * 64),))
    with pytest.raises(ValueError, match=r"2 partitions of another gallery, .* --collection"):
        import_gallery(other, config)
    assert import_gallery(gallery, config).num_present == 3


def test_vectors_that_were_lost_are_noticed(gallery, config):
    import_gallery(gallery, config)
    client = connect(config)
    client.delete(config.collection, filter="row == 7")
    client.close()
    with pytest.raises(ValueError, match=r"has 832 vectors, .* 833"):
        open_milvus(gallery, config)
    assert import_gallery(gallery, config).num_shards == 1


@pytest.mark.parametrize("kind", ["IVF_PQ", "IVF_RABITQ", "DISKANN"])
def test_what_lite_would_only_pretend_to_build_is_refused(kind):
    with pytest.raises(ValueError, match=f"builds no {kind}"):
        MilvusConfig(uri="x.db", index=kind)
    assert MilvusConfig(uri="http://host:19530", index=kind).kind == kind
    assert kind not in LITE_KINDS


def test_no_server_and_no_database_are_refused(gallery, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.db"):
        MilvusConfig(uri=str(tmp_path))
    with pytest.raises(OSError, match=r"127.0.0.1:9 does not do it"):
        import_gallery(gallery, MilvusConfig(uri="http://127.0.0.1:9"))
    with pytest.raises(ValueError, match="has no collection"):
        open_milvus(gallery, MilvusConfig(uri=str(tmp_path / "empty.db")))


def test_a_collection_of_another_form_is_left_alone(gallery, config):
    client = connect(config)
    client.create_collection(config.collection, dimension=4)
    client.close()
    with pytest.raises(ValueError, match=r"has the fields .* Give another name"):
        import_gallery(gallery, config)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("", {}), ("IVF_FLAT", {"parameters": {"nlist": 50}, "search": {"nprobe": 1}})],
)
def test_where_an_index_finds_too_few_all_vectors_are_compared(gallery, config, kind, settings):
    config, k = replace(config, index=kind, **settings), gallery.num_kept
    import_gallery(gallery, config)
    index, queries = open_milvus(gallery, config), queries_of(3)
    # A graph does not reach all of them; a list holds a fiftieth.
    assert min(map(len, index._candidates(queries, k))) < k
    found, exact = index.search(queries, k), ExactIndex(gallery).search(queries, k)
    index.close()
    assert (found.rows == exact.rows).all()
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)


def test_in_a_gallery_too_large_for_that_it_says_what_to_do(gallery, config, monkeypatch):
    monkeypatch.setattr(engine, "COMPARED_AT_MOST", gallery.num_kept - 1)
    import_gallery(gallery, config)
    index = open_milvus(gallery, config)
    told = rf"found \d+ vectors where {gallery.num_kept} are asked for\. Ask for fewer, or"
    with pytest.raises(ValueError, match=told):
        index.search(queries_of(3), gallery.num_kept)
    assert index.search(queries_of(3), 16).rows.shape == (3, 16)
    index.close()


def test_an_index_is_told_as_it_was_built_and_not_taken_for_another_one(gallery, config):
    built = replace(config, index="IVF_FLAT", parameters={"nlist": 8})
    assert import_gallery(gallery, built).kind == "IVF_FLAT"
    assert import_gallery(gallery, config).kind == "IVF_FLAT"
    index = open_milvus(gallery, config)
    index.close()
    assert index.about.startswith("IVF_FLAT of 833 vectors")
    with pytest.raises(ValueError, match=r"has the index IVF_FLAT already, not HNSW\. Leave"):
        import_gallery(gallery, replace(config, index="HNSW"))
    with pytest.raises(ValueError, match=r"IVF_FLAT already, not IVF_FLAT, nlist 9"):
        import_gallery(gallery, replace(config, parameters={"nlist": 9}))
    with pytest.raises(ValueError, match=r"IVF_FLAT already, not FLAT"):
        open_milvus(gallery, replace(config, index="FLAT"))


def test_an_index_is_compared_as_servers_tell_it():
    class Client(pymilvus.MilvusClient):
        def __init__(self, names=("vector",)):
            self.names = names

        def list_indexes(self, collection):
            return list(self.names)

        def describe_index(self, collection, name):
            return {
                "index_type": "IVF_SQ8",
                "metric_type": "IP",
                "nlist": "16",
                "state": "Finished",
            }

    server = MilvusConfig(uri="http://host:19530")
    assert of_collection(Client(), replace(server, parameters={"nlist": 16})).kind == "IVF_SQ8"
    with pytest.raises(ValueError, match="not IVF_SQ8, nlist 8"):
        of_collection(Client(), replace(server, parameters={"nlist": 8}))
    with pytest.raises(ValueError, match="has 0 indexes"):
        of_collection(Client(()), server)

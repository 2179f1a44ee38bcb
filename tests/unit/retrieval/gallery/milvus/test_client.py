"""What is refused before a Milvus is asked, and what its errors become."""

import pytest

pytest.importorskip("pymilvus", reason="needs the extra `milvus`: pip install 'mindeye[milvus]'")

import grpc
import pymilvus

from mindeye.retrieval.gallery.milvus import client
from mindeye.retrieval.gallery.milvus.client import MilvusConfig, answering, connect

SERVER = MilvusConfig(uri="http://host:19530", token="root:secret")


@pytest.mark.parametrize("name", ["shards_per_partition", "block", "candidates"])
def test_blocks_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0. Choose 1 or more"):
        MilvusConfig(uri="x.db", **{name: 0})


def test_the_token_reaches_the_server(monkeypatch):
    given = []

    class Client(pymilvus.MilvusClient):
        def __init__(self, uri, **more):
            given.append((uri, more))

    monkeypatch.setattr(client, "MilvusClient", Client)
    connect(SERVER)
    assert given == [("http://host:19530", {"token": "root:secret"})]


class CutOff(grpc.RpcError, grpc.Call):
    """What gRPC raises where pymilvus does not catch it."""

    def details(self):
        return "the\n  connection was cut"


@pytest.mark.parametrize(
    "error", [CutOff(), pymilvus.MilvusException(message="the connection  was cut")]
)
def test_what_breaks_on_the_way_is_one_sentence_with_what_holds(error):
    told = r"^http://host:19530 does not do it \(the connection was cut\): nothing was sent\.$"
    with pytest.raises(OSError, match=told), answering(SERVER, "nothing was sent"):
        raise error

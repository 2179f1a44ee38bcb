"""A Milvus by its address, or Milvus Lite in a folder: one client, and what differs.

Source of what Lite builds: its README and trials of 3.2; other kinds it accepts, calls finished in
`describe_index`, and searches without. What a server builds is the server's to say.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from pymilvus import MilvusClient, MilvusException

LITE_KINDS = ("AUTOINDEX", "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8")
# Its errors reach the user as a sentence; its own log repeats them with a traceback of gRPC.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@dataclass(frozen=True, kw_only=True)
class MilvusConfig:
    """Where vectors go, and what is built of them there."""

    uri: str
    """http://HOST:PORT of a server, or the path of a Lite database, which ends in .db."""
    token: str = ""
    """`user:password` or an API key of a server."""
    collection: str = "mindeye"
    index: str = ""
    """Milvus's name of an index; empty: AUTOINDEX of Lite, DISKANN of a server."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of building, as Milvus names them, for example nlist."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """Of searching, for example nprobe, ef, search_list."""
    shards_per_partition: int = 16
    """Of a gallery's shards; a collection has at most 1,024 partitions unless configured."""
    block: int = 4_096
    """Vectors that are sent at once: at 768 numbers 12.6 MB, of 64 MB that a server takes."""
    candidates: int = 100
    """Vectors that are compared exactly, by the gallery's own."""

    def __post_init__(self) -> None:
        for name in ("shards_per_partition", "block", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Choose 1 or more.")
        if self.is_lite and not self.uri.endswith(".db"):
            raise ValueError(
                f"{self.uri} is neither http://HOST:PORT nor a file that ends in .db. Give the "
                "address of a Milvus server, or a .db file for Milvus Lite."
            )
        if self.is_lite and self.kind not in LITE_KINDS:
            raise ValueError(
                f"Milvus Lite builds no {self.kind}: it would say that it did, and search without. "
                f"Choose one of {', '.join(LITE_KINDS)}, or give the address of a server."
            )

    @property
    def is_lite(self) -> bool:
        return "://" not in self.uri

    @property
    def kind(self) -> str:
        return self.index or ("AUTOINDEX" if self.is_lite else "DISKANN")

    @property
    def name(self) -> str:
        """For the screen and for clients: without address and path."""
        return "Milvus Lite" if self.is_lite else "a Milvus server"


def connect(config: MilvusConfig) -> MilvusClient:
    """Opens the database.

    Raises:
        OSError: no server answers, or another process has the file open.
    """
    with answering(config, "nothing was done"):
        return MilvusClient(config.uri, token=config.token)


@contextmanager
def answering(config: MilvusConfig, so_far: str) -> Iterator[None]:
    """Turns what pymilvus raises into one sentence.

    Args:
        so_far: what holds where it fails.

    Raises:
        OSError: of everything that the server refused or that broke on the way.
    """
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        raise OSError(f"{config.uri} does not do it ({_told(error)}): {so_far}.") from error


def _told(error: Exception) -> str:
    details = error.details() if isinstance(error, grpc.Call) else getattr(error, "message", "")
    return " ".join(str(details or error).split())[:300]

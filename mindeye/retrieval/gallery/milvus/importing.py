"""A gallery's shards into a Milvus collection, shard by shard; the server says which are in.

Vectors are float32 under their gallery row. A partition holds some shards and is named after its
gallery and them: a shard that changed, or other rows kept of it, means another partition, and what
belongs to no shard of the gallery any more is dropped. Another gallery's collection is refused.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pymilvus import DataType, MilvusClient

from mindeye.retrieval.gallery.folder import Gallery, GalleryShard
from mindeye.retrieval.gallery.milvus.building import of_collection, wait_until_built
from mindeye.retrieval.gallery.milvus.client import MilvusConfig, answering, connect

ROW, VECTOR, DEFAULT_PARTITION = "row", "vector", "_default"


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Some shards of a gallery."""

    name: str
    shards: Sequence[GalleryShard]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did."""

    num_vectors: int
    """That were sent now."""
    num_shards: int
    """That were sent now."""
    num_present: int
    """Shards that were in before."""
    num_dropped: int
    """Partitions of other shards."""
    kind: str
    """Of the collection's index."""


def partitions_of(gallery: Gallery, config: MilvusConfig) -> list[Partition]:
    """Which shards lie together, under names that tell them from all others."""
    step, found, owner = config.shards_per_partition, [], owner_of(gallery)
    for start in range(0, len(gallery.shards), step):
        shards = gallery.shards[start : start + step]
        identity = [
            gallery.network,
            gallery.width,
            # The file of kept rows is named after its content.
            *([one.first, one.count, one.num_kept, one.sha256, str(one.kept)] for one in shards),
        ]
        name = f"p{start // step}_{owner}_{_digest(identity)[:16]}"
        found.append(Partition(name=name, shards=shards))
    return found


def owner_of(gallery: Gallery) -> str:
    """What the names of all partitions of one gallery have in common, also while it grows."""
    first = [(one.name, one.sha256) for one in gallery.shards[:1]]
    return _digest([gallery.network, gallery.width, first])[:12]


def _digest(identity: Sequence) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def import_gallery(
    gallery: Gallery,
    config: MilvusConfig,
    progress: Callable[[int, int], None] | None = None,
    building: Callable[[int, int], None] | None = None,
) -> Imported:
    """Brings a collection to a gallery's vectors; goes on where it was stopped.

    A shard that is in whole is not sent again; one that is in partly is deleted and sent. Ends when
    the server has built its index.

    Args:
        building: is told of how many vectors it has, and of how many it will.

    Raises:
        OSError: the server stopped answering, and the shard is named; or it builds no index.
        ValueError: the collection is of another form, index or gallery, or counts differ in the
            end.
    """
    client = connect(config)
    try:
        wanted = partitions_of(gallery, config)
        _require_collection(client, gallery, config)
        config = of_collection(client, config)
        num_dropped = _drop_others(client, gallery, wanted, config)
        sent, present, done = [], 0, 0
        for partition in wanted:
            with answering(config, "nothing was sent"):
                if not client.has_partition(config.collection, partition.name):
                    client.create_partition(config.collection, partition.name)
            for shard in partition.shards:
                if _bring_in(client, gallery, config, partition, shard):
                    sent.append(shard)
                else:
                    present += 1
                done += shard.num_kept
                if progress is not None:
                    progress(done, gallery.num_kept)
        with answering(config, "all vectors are in. Run the same command again"):
            client.flush(config.collection)
            require_complete(client, gallery, config)
        wait_until_built(client, config, building)
    finally:
        client.close()
    return Imported(
        num_vectors=sum(shard.num_kept for shard in sent),
        num_shards=len(sent),
        num_present=present,
        num_dropped=num_dropped,
        kind=config.kind,
    )


def require_complete(client: MilvusClient, gallery: Gallery, config: MilvusConfig) -> None:
    """Refuses a collection whose partitions and counts are not those of the gallery.

    Raises:
        ValueError: says what differs.
    """
    again = "Run `mindeye gallery index` with the same --engine and --uri."
    if not client.has_collection(config.collection):
        raise ValueError(f"{config.uri} has no collection `{config.collection}`. {again}")
    wanted = partitions_of(gallery, config)
    names = {one.name for one in wanted} | {DEFAULT_PARTITION}
    here = set(client.list_partitions(config.collection))
    if here | {DEFAULT_PARTITION} != names:
        raise ValueError(
            f"`{config.collection}` at {config.uri} holds other shards than {gallery.path}: "
            f"{len(names - here)} partitions are missing, {len(here - names)} are of others. "
            f"{again}"
        )
    count = _count(client, config)
    if count != gallery.num_kept:
        raise ValueError(
            f"`{config.collection}` at {config.uri} has {count:,} vectors, {gallery.path} "
            f"{gallery.num_kept:,}. {again}"
        )


def _require_collection(client: MilvusClient, gallery: Gallery, config: MilvusConfig) -> None:
    with answering(config, "nothing was sent"):
        if not client.has_collection(config.collection):
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field(ROW, DataType.INT64, is_primary=True)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=gallery.width)
            parameters = dict(config.parameters)
            # pymilvus 3.0 sends them one by one, Lite 3.2 looks for them under `params` only.
            parameters = {"params": parameters} if config.is_lite else parameters
            built = client.prepare_index_params()
            built.add_index(VECTOR, index_type=config.kind, metric_type="IP", params=parameters)
            client.create_collection(config.collection, schema=schema, index_params=built)
        fields = client.describe_collection(config.collection)["fields"]
        client.load_collection(config.collection)
    found = {one["name"]: one.get("params", {}).get("dim") for one in fields}
    if found.keys() != {ROW, VECTOR} or int(found[VECTOR]) != gallery.width:
        raise ValueError(
            f"`{config.collection}` at {config.uri} has the fields {found}, not {ROW} and "
            f"{VECTOR} of {gallery.width} numbers. Give another name with --collection."
        )


def _drop_others(
    client: MilvusClient, gallery: Gallery, wanted: Sequence[Partition], config: MilvusConfig
) -> int:
    """Drops what this gallery has had; refuses to drop what another one has."""
    names = {one.name for one in wanted} | {DEFAULT_PARTITION}
    with answering(config, "nothing was sent"):
        others = [one for one in client.list_partitions(config.collection) if one not in names]
    foreign = [one for one in others if f"_{owner_of(gallery)}_" not in one]
    if foreign:
        raise ValueError(
            f"`{config.collection}` at {config.uri} holds {len(foreign)} partitions of another "
            f"gallery, such as {foreign[0]}. Give this one another name with --collection."
        )
    with answering(config, "nothing was sent"):
        for name in others:
            # Lite neither knows nor needs a release.
            if not config.is_lite:
                client.release_partitions(config.collection, [name])
            client.drop_partition(config.collection, name)
    return len(others)


def _bring_in(
    client: MilvusClient,
    gallery: Gallery,
    config: MilvusConfig,
    partition: Partition,
    shard: GalleryShard,
) -> bool:
    """Sends a shard unless it is in; says whether it was sent."""
    rows = f"{ROW} >= {shard.first} and {ROW} < {shard.first + shard.count}"
    so_far = f"it stopped at shard {shard.name}. Run the same command again: it goes on from there"
    with answering(config, so_far):
        count = _count(client, config, rows, partition)
        if count == shard.num_kept:
            return False
        if count:
            client.delete(config.collection, filter=rows, partition_name=partition.name)
        for block in _blocks(gallery, shard, config.block):
            client.insert(config.collection, block, partition_name=partition.name)
        client.flush(config.collection)
    return True


def _blocks(gallery: Gallery, shard: GalleryShard, size: int) -> Iterator[list[dict]]:
    vectors, kept = gallery.embeddings(shard), gallery.kept_rows(shard)
    for start in range(0, len(kept), size):
        rows = kept[start : start + size]
        block = np.asarray(vectors[rows], dtype=np.float32)
        yield [
            {ROW: int(shard.first + row), VECTOR: vector}
            for row, vector in zip(rows, block, strict=True)
        ]


def _count(
    client: MilvusClient,
    config: MilvusConfig,
    rows: str = "",
    partition: Partition | None = None,
) -> int:
    """Vectors that can be found, those just sent among them."""
    answer = client.query(
        config.collection,
        filter=rows,
        output_fields=["count(*)"],
        partition_names=None if partition is None else [partition.name],
        consistency_level="Strong",
    )
    return int(answer[0]["count(*)"])

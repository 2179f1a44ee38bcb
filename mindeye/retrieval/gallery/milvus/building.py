"""Which index a collection has, and how far a Milvus server is that builds it once vectors are in.

Until it is built, searches hang or compare everything. `state` says Finished also while nearly all
vectors wait, or when building has failed and is tried again without end (2.3.5 without DiskANN
does so): rows are what tells.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pymilvus import MilvusClient

from mindeye.retrieval.gallery.milvus.client import MilvusConfig, answering

# Where as many vectors wait for so long, a server is taken for one that cannot build the index:
# segments of a million vectors of 768 numbers take minutes.
PATIENCE_S, PAUSE_S = 1_800.0, 2.0


def of_collection(client: MilvusClient, config: MilvusConfig) -> MilvusConfig:
    """What is asked for, with the kind of index that the collection has: Milvus keeps the first.

    Raises:
        ValueError: another kind or other parameters are asked for.
    """
    told = _index(client, config)
    kept = told["index_type"]
    # Lite tells parameters below the kind; servers beside it, as text, and not always all.
    below = told.get("params")
    built = {**told, **(below if isinstance(below, dict) else {})}
    other = [
        f"{name} {one}"
        for name, one in config.parameters.items()
        if str(built.get(name, one)).lower() != str(one).lower()
    ]
    if config.index not in ("", kept) or other:
        asked = ", ".join([config.index or kept, *other])
        raise ValueError(
            f"`{config.collection}` at {config.uri} has the index {kept} already, not {asked}. "
            "Leave that out to use it, or give another name with --collection to build another."
        )
    return replace(config, index=kept)


def wait_until_built(
    client: MilvusClient,
    config: MilvusConfig,
    progress: Callable[[int, int], None] | None = None,
    *,
    patience_s: float = PATIENCE_S,
) -> None:
    """Waits for the index of all vectors; Lite has built it when vectors are in.

    Raises:
        OSError: the server has given up, or did not go on for `patience_s`.
    """
    if config.is_lite:
        return
    last, since = None, time.monotonic()
    while True:
        state, total, pending = _rows(client, config)
        if progress is not None:
            progress(total - pending, total)
        if not pending and state != "Failed":
            return
        # Also where more wait than before: segments that were joined are built anew.
        if pending != last:
            last, since = pending, time.monotonic()
        if state == "Failed" or time.monotonic() - since > patience_s:
            raise OSError(
                f"{config.uri} has all vectors, but built its {config.kind} of only "
                f"{total - pending:,} of {total:,} and does not go on. Its log says why; perhaps "
                "it has no such index: give another one with --index-type and --collection."
            )
        time.sleep(PAUSE_S)


def require_built(client: MilvusClient, config: MilvusConfig) -> None:
    """Refuses to search where the index is not built yet: that takes without end.

    Raises:
        ValueError: says how many vectors wait.
    """
    if config.is_lite:
        return
    _, total, pending = _rows(client, config)
    if pending:
        raise ValueError(
            f"{config.uri} has not built its {config.kind} of `{config.collection}` yet: "
            f"{pending:,} of {total:,} vectors wait. `mindeye gallery index` with the same "
            "--engine and --uri waits for it."
        )


def _rows(client: MilvusClient, config: MilvusConfig) -> tuple[str, int, int]:
    """State, vectors, and those of them that wait."""
    told = _index(client, config)
    return told["state"], int(told["total_rows"]), int(told["pending_index_rows"])


def _index(client: MilvusClient, config: MilvusConfig) -> dict[str, Any]:
    with answering(config, "nothing is known of its index"):
        names = client.list_indexes(config.collection)
        if len(names) != 1:
            raise ValueError(
                f"`{config.collection}` at {config.uri} has {len(names)} indexes, not the one of "
                "`mindeye gallery index`. Give another name with --collection."
            )
        return client.describe_index(config.collection, names[0])

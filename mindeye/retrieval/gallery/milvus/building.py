"""How far a Milvus server is with the index that it builds by itself once vectors are in.

Until it is built, searches hang or compare everything. `state` says Finished also while nearly all
vectors wait, or when building has failed and is tried again without end (2.3.5 without DiskANN
does so): rows are what tells.
"""

import time
from collections.abc import Callable

from pymilvus import MilvusClient

from mindeye.retrieval.gallery.milvus.client import MilvusConfig, answering

# Where as many vectors wait for so long, a server is taken for one that cannot build the index:
# segments of a million vectors of 768 numbers take minutes.
PATIENCE_S, PAUSE_S = 1_800.0, 2.0


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
    with answering(config, "all vectors are in, their index is not known to be built"):
        (name,) = client.list_indexes(config.collection)
        told = client.describe_index(config.collection, name)
    return told["state"], int(told["total_rows"]), int(told["pending_index_rows"])

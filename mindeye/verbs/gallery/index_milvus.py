"""`mindeye gallery index --engine milvus`: a gallery's vectors into a collection."""

import argparse
from collections.abc import Iterator

from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.open_engine import milvus_config, require_milvus
from mindeye.verbs.gallery.engine_options import engine_of
from mindeye.verbs.gallery.index_options import OF_FAISS
from mindeye.verbs.progress import watch


def perform_milvus_index(gallery: Gallery, options: argparse.Namespace) -> Iterator[str]:
    """Imports what is not in yet, and says what was done.

    Raises:
        LookupError: the extra `milvus` is not installed.
        ValueError: an option of the index on this machine; see `import_gallery`.
        OSError: the server stopped answering; names the shard.
    """
    given = [name for name, default in OF_FAISS.items() if getattr(options, name) != default]
    if given:
        raise ValueError(
            f"--{given[0].replace('_', '-')} is of the index on this machine. Leave it out, or "
            "leave --engine milvus out."
        )
    require_milvus()
    from mindeye.retrieval.gallery.milvus.importing import import_gallery

    config = milvus_config(engine_of(options))
    yield f"{config.name}, collection `{config.collection}`"
    if options.dry_run:
        yield f"{gallery.num_kept:,} vectors of {len(gallery.shards)} shards would be compared"
        return
    done = import_gallery(gallery, config, watch("import"), watch("index"))
    yield (
        f"{done.num_vectors:,} vectors of {done.num_shards} shards were sent, {done.num_present} "
        f"shards were in, {done.num_dropped} partitions of others were dropped"
    )
    yield f"collection: {config.collection}, {gallery.num_kept:,} vectors, {done.kind}"

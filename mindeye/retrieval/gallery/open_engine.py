"""Which engine searches a gallery."""

from importlib.util import find_spec

from mindeye.retrieval.gallery.engine import VectorIndex
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.index.folder import open_index


def open_engine(gallery: Gallery, choice: EngineChoice) -> VectorIndex:
    """Opens what searches a gallery.

    Raises:
        LookupError: the extra `milvus` is not installed.
        OSError, ValueError: see `open_milvus` and `open_index`.
    """
    if choice.engine == "faiss":
        return open_index(gallery)
    require_milvus()
    from mindeye.retrieval.gallery.milvus.engine import open_milvus

    return open_milvus(gallery, milvus_config(choice))


def milvus_config(choice: EngineChoice):
    """What the choice says of Milvus."""
    from mindeye.retrieval.gallery.milvus.client import MilvusConfig

    return MilvusConfig(uri=choice.uri, token=choice.token, **choice.settings)


def require_milvus() -> None:
    """Refuses what needs the extra.

    Raises:
        LookupError: it is not installed.
    """
    if find_spec("pymilvus") is None:
        raise LookupError(
            "--engine milvus needs pymilvus, which is not installed. Run "
            "`pip install 'mindeye[milvus]'`."
        )

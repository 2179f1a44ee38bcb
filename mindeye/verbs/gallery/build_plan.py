"""`mindeye gallery build --dry-run`: what a build would cost; writes nothing."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch

from mindeye.retrieval.gallery.folder import MANIFEST, open_gallery
from mindeye.retrieval.gallery.pictures.decoding import decode_picture, decoded_in_order
from mindeye.retrieval.gallery.sources.encoded_pictures import encoded_pictures
from mindeye.retrieval.gallery.sources.growth import without_known
from mindeye.retrieval.gallery.sources.sources import GallerySource
from mindeye.retrieval.gallery.sources.vector_files import check_vectors, open_vectors
from mindeye.verbs.device import require_device
from mindeye.verbs.gallery.build_request import BuildRequest

# Pictures that are embedded to see how long one takes.
_TRIED = 64


def plan_gallery(request: BuildRequest) -> Iterator[str]:
    """Counts what is new in the source, and measures a little of it.

    Raises:
        ValueError: the source cannot be added to the gallery that is there.
    """
    require_device(request.device)
    source = request.source
    if (request.out / MANIFEST).is_file():
        source = without_known(source, open_gallery(request.out))
    if not source.shards:
        yield f"{request.out} has all of {source.root} already."
        return
    yield f"{source.form} {source.root}: {len(source.shards):,} shards, {_size(source.num_bytes)}"
    yield from (_of_pictures if source.has_pictures else _of_vectors)(request, source)
    yield "nothing was written"


def _of_pictures(request: BuildRequest, source: GallerySource) -> Iterator[str]:
    clip, config = request.target, request.embedding
    decode = partial(decode_picture, root=source.root, side=clip.side, max_pixels=config.max_pixels)
    started = time.perf_counter()
    tried = list(
        decoded_in_order(
            islice(encoded_pictures(source, source.shards[0]), _TRIED),
            decode,
            workers=config.workers,
            ahead=2 * config.batch_size,
        )
    )
    images = [picture.image for picture in tried if picture.image is not None]
    if images:
        with torch.inference_mode():
            clip.tokens(torch.stack(images).to(request.device)).cpu()
    seconds = (time.perf_counter() - started) / max(1, len(tried))
    yield f"of the first {len(tried)} pictures {len(tried) - len(images)} would be skipped"
    count = sum(len(shard.files) for shard in source.shards)
    if source.form != "folder":
        sizes = [picture.encoded.size for picture in tried]
        count = round(source.num_bytes / max(1, np.mean(sizes))) if sizes else 0
    num_tokens, width = clip.token_shape
    per_picture = 2 * width * (1 + (num_tokens if config.tokens else 0))
    yield f"about {count:,} pictures -> {_size(count * per_picture)} of {request.network}"
    yield _hours(seconds * count, request.num_shards)


def _of_vectors(request: BuildRequest, source: GallerySource) -> Iterator[str]:
    paths = [source.root / shard.files[0] for shard in source.shards]
    count = sum(len(open_vectors(path)) for path in paths)
    without = sum(shard.metadata is None for shard in source.shards)
    yield f"{count:,} vectors of {request.width} numbers, by {request.network}; they stay there"
    if without:
        yield f"{without:,} shards have no metadata"
    started = time.perf_counter()
    check_vectors(paths[0], quick=request.taking.quick)
    seconds = time.perf_counter() - started
    share = len(paths) if request.taking.quick else source.num_bytes / source.shards[0].num_bytes
    yield _hours(seconds * share, request.num_shards)


def _hours(seconds: float, num_shards: int) -> str:
    each = f", {seconds / 3600 / num_shards:.2f} in each of {num_shards}" if num_shards > 1 else ""
    return f"about {seconds / 3600:.2f} hours on this machine{each}"


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:,.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:,.2f} MB"

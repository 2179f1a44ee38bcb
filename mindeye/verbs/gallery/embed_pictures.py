"""One shard of pictures: decoded, embedded, written; one block of pictures is in memory."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mindeye.files import sha256_of, write_text
from mindeye.retrieval.gallery.folder import GalleryShard, write_kept
from mindeye.retrieval.gallery.pictures.decoding import (
    DecodedPicture,
    decode_picture,
    decoded_in_order,
)
from mindeye.retrieval.gallery.pictures.places import MOST_PIXELS
from mindeye.retrieval.gallery.sources.building import Building, BuiltShard
from mindeye.retrieval.gallery.sources.encoded_pictures import EncodedPicture, encoded_pictures
from mindeye.retrieval.gallery.sources.filters import GalleryFilters, kept_rows
from mindeye.retrieval.gallery.sources.picture_table import row_of, told_by_key, write_table
from mindeye.retrieval.gallery.sources.row_file import RowFile, row_file
from mindeye.targets.clip import ClipTarget

# Pillow refuses pictures of more pixels by itself.
DECODED_AT_MOST = 2 * Image.MAX_IMAGE_PIXELS


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """How pictures are embedded."""

    tokens: bool = False
    """Whether all tokens of each picture are kept too, not only its embedding."""
    max_pixels: int = MOST_PIXELS
    """Of larger pictures nothing is decoded."""
    batch_size: int = 64
    workers: int = 4
    """Threads that decode."""

    def __post_init__(self) -> None:
        for name in ("max_pixels", "batch_size", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Choose 1 or more.")
        if self.max_pixels > DECODED_AT_MOST:
            raise ValueError(
                f"max_pixels is {self.max_pixels:,}, but Pillow decodes no picture of more than "
                f"{DECODED_AT_MOST:,}. Choose that or less."
            )


def embed_shard(
    building: Building,
    number: int,
    clip: ClipTarget,
    filters: GalleryFilters,
    config: EmbeddingConfig,
    progress: Callable[[int], None] | None = None,
) -> BuiltShard:
    """Embeds one shard and says what the gallery is to know of it.

    Args:
        clip: with the form `projected` where tokens are kept, else `embedding`.
        progress: is told how many bytes of pictures have been decoded so far.

    Raises:
        ValueError: a tar that was cut off, or damaged metadata.
        LookupError: a filter needs a column that is not there.
    """
    source, shard, name = building.source, building.source.shards[number], building.name_of(number)
    told = told_by_key(source.root / shard.metadata) if shard.metadata else {}
    paths = {kind: Path(kind) / f"{name}.npy" for kind in ("embeddings", "tokens")}
    rows, skipped = [], []
    with contextlib.ExitStack() as files:
        vectors = files.enter_context(
            row_file(building.out / paths["embeddings"], (building.width,))
        )
        tokens = None
        if config.tokens:
            path = building.out / paths["tokens"]
            tokens = files.enter_context(row_file(path, clip.token_shape))
        decoded = _decoded(building, encoded_pictures(source, shard), clip.side, config, progress)
        while pictures := list(islice(decoded, config.batch_size)):
            whole = [picture for picture in pictures if picture.image is not None]
            skipped += [picture for picture in pictures if picture.image is None]
            rows += [row_of(picture, told.get(picture.encoded.key, {})) for picture in whole]
            if whole:
                _embed(clip, [picture.image for picture in whole], vectors, tokens)
    if skipped:
        write_text(building.out / "skipped" / f"{name}.tsv", _skipped_table(skipped))
    metadata = Path("metadata") / f"{name}.parquet"
    write_table(building.out / metadata, rows)
    kept = kept_rows(building.out / metadata, len(rows), filters, must_know_safety=False)
    return BuiltShard(
        shard=GalleryShard(
            name=name,
            first=0,
            count=len(rows),
            num_kept=len(kept.rows),
            embeddings=paths["embeddings"],
            metadata=metadata,
            kept=write_kept(building.out, name, kept.rows, len(rows)),
            tokens=paths["tokens"] if config.tokens else None,
            sha256=sha256_of(building.out / paths["embeddings"]),
        ),
        skipped=dict(sorted(Counter(picture.reason for picture in skipped).items())),
        dropped=kept.dropped,
    )


def _decoded(
    building: Building,
    pictures: Iterator[EncodedPicture],
    side: int,
    config: EmbeddingConfig,
    progress: Callable[[int], None] | None,
) -> Iterator[DecodedPicture]:
    decode = partial(
        decode_picture, root=building.source.root, side=side, max_pixels=config.max_pixels
    )
    num_bytes = 0
    for picture in decoded_in_order(
        pictures, decode, workers=config.workers, ahead=2 * config.batch_size
    ):
        num_bytes += picture.encoded.size
        if progress is not None:
            progress(num_bytes)
        yield picture


@torch.inference_mode()
def _embed(
    clip: ClipTarget,
    images: list[Float[Tensor, "3 side side"]],
    vectors: RowFile,
    tokens: RowFile | None,
) -> None:
    device = clip.model.visual.proj.device
    found = clip.tokens(torch.stack(images).to(device))
    embeddings = torch.nn.functional.normalize(found[:, 0].double(), dim=-1)
    vectors.add(embeddings.cpu().numpy().astype(np.float16))
    if tokens is not None:
        tokens.add(found.cpu().numpy().astype(np.float16))


def _skipped_table(skipped: list[DecodedPicture]) -> str:
    lines = ["key\tpath\toffset\treason\tdetail"]
    for picture in skipped:
        one = picture.encoded
        offset = "" if one.offset is None else one.offset
        cells = (one.key, one.path, offset, picture.reason, picture.detail)
        lines.append("\t".join(" ".join(str(cell).split()) for cell in cells))
    return "\n".join(lines) + "\n"

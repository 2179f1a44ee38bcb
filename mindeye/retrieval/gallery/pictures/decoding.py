"""Encoded pictures of unknown origin -> square RGB images, or the reason why not."""

import hashlib
import io
import struct
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from mindeye.pictures import as_images
from mindeye.retrieval.gallery.sources.encoded_pictures import MAX_BYTES, EncodedPicture

# Of Pillow's readers those of pictures: others start programs (EPS) or are seldom tried.
READERS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

# What Pillow raises on damaged and on hostile files.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    """A picture, or why there is none."""

    encoded: EncodedPicture
    """Without its bytes."""
    image: Float[Tensor, "3 side side"] | None = None
    sha256: str = ""
    """Of the encoded picture."""
    width: int = 0
    height: int = 0
    reason: str = ""
    """In a few words, the same for all pictures of a kind; empty: it was decoded."""
    detail: str = ""


def decode_picture(
    encoded: EncodedPicture, root: Path, side: int, max_pixels: int
) -> DecodedPicture:
    """Decodes one picture: its central square, made `side` pixels wide as for the decoder's target.

    Sizes are read and judged before anything is decoded.

    Raises:
        OSError: its file cannot be read, which says nothing of the picture and may pass.
    """
    content = _content_of(encoded, root)
    if isinstance(content, DecodedPicture):
        return content
    encoded.content = None
    try:
        digest = hashlib.sha256(content).hexdigest()
        with Image.open(io.BytesIO(content), formats=READERS) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                return _refused(encoded, "too many pixels", f"{width} x {height}")
            # JPEGs are decoded smaller where that suffices; other forms ignore this.
            picture.draft("RGB", (4 * side, 4 * side))
            square = _central_square(ImageOps.exif_transpose(picture).convert("RGB"), side)
    except Image.UnidentifiedImageError:
        return _refused(encoded, "no picture", f"begins with {content[:16]!r}")
    except Image.DecompressionBombError as error:
        return _refused(encoded, "too many pixels", str(error))
    except _UNREADABLE as error:
        return _refused(encoded, "not decodable", str(error))
    image = _resized(as_images(np.array(square)[None]), side)[0]
    return DecodedPicture(encoded=encoded, image=image, sha256=digest, width=width, height=height)


def _content_of(encoded: EncodedPicture, root: Path) -> bytes | DecodedPicture:
    if encoded.size > MAX_BYTES:
        return _refused(encoded, "file too large", f"{encoded.size} bytes")
    content = encoded.content
    if content is None:
        content = _read(root / encoded.path)
    encoded.size = len(content)
    return content if content else _refused(encoded, "empty file", "0 bytes")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OSError(
            f"{path} cannot be read ({error.strerror}). Is its disk there, and may you read it? "
            "Run the same command again, which goes on from there, or take it out of the source."
        ) from error


def _refused(encoded: EncodedPicture, reason: str, detail: str) -> DecodedPicture:
    encoded.content = None
    one_line = " ".join(detail.split())[:200]
    return DecodedPicture(encoded=encoded, reason=reason, detail=one_line)


def _central_square(picture: Image.Image, side: int) -> Image.Image:
    """As CLIP crops; large ones are averaged down first, so that memory does not follow pixels."""
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    square = picture.crop((left, top, left + edge, top + edge))
    factor = edge // (2 * side)
    return square.reduce(factor) if factor > 1 else square


def _resized(
    images: Float[Tensor, "images 3 height width"], side: int
) -> Float[Tensor, "images 3 side side"]:
    if images.shape[-2:] == (side, side):
        return images
    return torch.nn.functional.interpolate(
        images, size=(side, side), mode="bicubic", antialias=True
    ).clamp(0, 1)


def decoded_in_order(
    pictures: Iterable[EncodedPicture],
    decode: Callable[[EncodedPicture], DecodedPicture],
    *,
    workers: int,
    ahead: int,
) -> Iterator[DecodedPicture]:
    """Decodes in threads, gives in order; at most `ahead` pictures are in memory."""
    pending: deque[Future[DecodedPicture]] = deque()
    with without_warnings(), ThreadPoolExecutor(workers) as pool:
        for picture in pictures:
            pending.append(pool.submit(decode, picture))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Pillow warns of what is refused, counted and told here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield

"""Pictures that come from outside, and pictures that go out."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from mindeye.retrieval.gallery.serving.refusal import QueryError

# Readers of other formats are larger programs that no query needs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# What galleries are built of.
GALLERY_FORMATS = (*FORMATS, "TIFF")
JPEG_QUALITY = 85


def uploaded_picture(
    content: bytes, max_pixels: int, formats: Sequence[str] = FORMATS
) -> UInt8[np.ndarray, "height width 3"]:
    """Bytes of a picture's file -> its pixels; the first frame where there are several.

    Raises:
        QueryError: no picture, one that is cut off, or more pixels than allowed.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            columns, rows = image.size
            if columns * rows > max_pixels:
                raise QueryError(
                    f"The picture has {columns} x {rows} pixels, more than {max_pixels:,}. "
                    "Send a smaller one: CLIP makes it small anyway.",
                    status=413,
                )
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except QueryError:
        raise
    except Image.DecompressionBombError as error:
        raise QueryError(
            f"The picture has far more than {max_pixels:,} pixels. Send a smaller one: CLIP makes "
            "it small anyway.",
            status=413,
        ) from error
    # Pillow's readers raise what their formats make them: IndexError, struct.error, SyntaxError.
    except Exception as error:
        raise QueryError(f"image is no whole picture ({', '.join(formats)} are read).") from error


def thumbnail(picture: UInt8[np.ndarray, "height width 3"], side: int) -> bytes:
    """A JPEG whose longer side is at most `side`; nothing of the file it came from is in it."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=JPEG_QUALITY)
    return out.getvalue()

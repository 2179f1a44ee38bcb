import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mindeye.retrieval.gallery.serving.refusal import QueryError
from mindeye.retrieval.gallery.serving.uploads import (
    GALLERY_FORMATS,
    thumbnail,
    uploaded_picture,
)


def encoded(picture: np.ndarray, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "WEBP"])
def test_a_picture_is_read_as_it_is(form):
    picture = np.full((5, 7, 3), (200, 100, 50), dtype=np.uint8)
    options = {"lossless": True} if form == "WEBP" else {}
    assert (uploaded_picture(encoded(picture, form, **options), 100) == picture).all()


def test_an_image_bomb_is_refused_by_its_header():
    # A PNG of 50,000 x 50,000 pixels whose data were never read.
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    body = zlib.compress(b"\0" * 1000)
    bomb = b"\x89PNG\r\n\x1a\n"
    for data in (chunk, b"IDAT" + body):
        bomb += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    # Pillow's own limit speaks first.
    with pytest.raises(QueryError, match="far more than 25,000,000 pixels") as caught:
        uploaded_picture(bomb, 25_000_000)
    assert caught.value.status == 413
    with pytest.raises(QueryError, match="40 x 30 pixels, more than 1,199") as caught:
        uploaded_picture(encoded(np.zeros((30, 40, 3), dtype=np.uint8)), 1_199)
    assert caught.value.status == 413


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"%!PS-Adobe-3.0\n", b"\x89PNG\r\n"])
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(QueryError, match="no whole picture"):
        uploaded_picture(content, 100)


def test_a_picture_that_is_cut_off_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(QueryError, match="no whole picture"):
        uploaded_picture(encoded(noise, "JPEG")[:-500], 10_000)


def test_a_thumbnail_is_a_jpeg_of_bounded_size_that_keeps_its_shape():
    small = Image.open(io.BytesIO(thumbnail(np.zeros((600, 300, 3), dtype=np.uint8), 256)))
    assert (small.format, small.size) == ("JPEG", (128, 256))
    tiny = Image.open(io.BytesIO(thumbnail(np.zeros((6, 3, 3), dtype=np.uint8), 256)))
    assert tiny.size == (3, 6)


def test_as_many_pixels_as_are_allowed_are_read():
    assert uploaded_picture(encoded(np.zeros((30, 40, 3), np.uint8)), 1_200).shape == (30, 40, 3)


def test_a_photograph_that_lies_on_its_side_is_set_upright():
    lying, exif = np.zeros((40, 60, 3), np.uint8), Image.Exif()
    lying[:, :30] = 255
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it
    upright = uploaded_picture(encoded(lying, "PNG", exif=exif), 10_000)
    assert (upright == np.rot90(lying, -1)).all()


def test_only_the_forms_that_are_asked_for_are_opened():
    scan = encoded(np.full((5, 7, 3), 9, np.uint8), "TIFF")
    with pytest.raises(QueryError, match=r"no whole picture \(JPEG, PNG, WEBP, GIF, BMP are read"):
        uploaded_picture(scan, 100)
    assert (uploaded_picture(scan, 100, GALLERY_FORMATS) == 9).all()

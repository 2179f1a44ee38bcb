"""Encoded pictures of every kind -> squares, in order and within bounded memory."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from mindeye.retrieval.gallery.pictures.decoding import decode_picture, decoded_in_order
from mindeye.retrieval.gallery.sources.encoded_pictures import EncodedPicture

SIDE = 16


def encoded(picture: Image.Image | bytes, form: str = "PNG", **settings) -> EncodedPicture:
    content = picture
    if isinstance(picture, Image.Image):
        stream = io.BytesIO()
        picture.save(stream, format=form, **settings)
        content = stream.getvalue()
    return EncodedPicture(key="a", path="a", offset=None, size=len(content), content=content)


def decode(picture: EncodedPicture, tmp_path, max_pixels=10**6):
    return decode_picture(picture, tmp_path, SIDE, max_pixels)


def halves(width: int, height: int) -> Image.Image:
    """Red above, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = pixels[height // 2 :, :, 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG"), ("CMYK", "JPEG"), ("P", "GIF")],
)
def test_pictures_of_every_mode_become_colours_between_0_and_1(tmp_path, mode, form):
    found = decode(encoded(halves(40, 40).convert(mode), form), tmp_path)
    assert found.reason == ""
    assert tuple(found.image.shape) == (3, SIDE, SIDE)
    assert 0 <= float(found.image.min()) <= float(found.image.max()) <= 1
    assert (found.width, found.height) == (40, 40)


def test_a_photograph_that_lies_on_its_side_is_set_upright(tmp_path):
    upright = halves(60, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it
    lying = encoded(upright.rotate(90), "JPEG", exif=exif, quality=95)
    plain = encoded(upright, "JPEG", quality=95)
    found, expected = (decode(one, tmp_path).image for one in (lying, plain))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.05)


def test_large_pictures_give_what_small_ones_of_the_same_thing_give(tmp_path):
    small, large = (decode(encoded(halves(side, side)), tmp_path).image for side in (64, 960))
    # A half of 8 of 16 rows each; only the rows at the border may differ.
    difference = (small - large).abs().amax((0, 2))
    assert float(difference[[*range(6), *range(10, 16)]].max()) < 0.02


def test_decoding_keeps_the_order_and_never_holds_more_than_it_may(tmp_path):
    taken, given, lock = 0, 0, threading.Lock()

    def source():
        nonlocal taken
        for number in range(40):
            with lock:
                taken += 1
                assert taken - given <= 7
            yield EncodedPicture(key=str(number), path="", offset=None, size=0, content=b"")

    keys = []
    for picture in decoded_in_order(
        source(), lambda one: decode(one, tmp_path), workers=3, ahead=6
    ):
        with lock:
            given += 1
        keys.append(picture.encoded.key)
    assert keys == [str(number) for number in range(40)]


def test_a_file_that_cannot_be_read_is_no_broken_picture(tmp_path):
    picture = EncodedPicture(key="a", path="gone.jpg", offset=None, size=9, content=None)
    with pytest.raises(OSError, match=r"gone.jpg cannot be read \(No such file or directory\)"):
        decode(picture, tmp_path)


def test_of_a_tall_and_of_a_wide_picture_the_middle_is_taken(tmp_path):
    square = np.asarray(halves(64, 64))
    dark = np.zeros((64, 40, 3), np.uint8)
    wide = np.concatenate([dark, square, dark], 1)
    tall = np.concatenate([dark.transpose(1, 0, 2), square, dark.transpose(1, 0, 2)])
    plain, *others = (
        decode(encoded(Image.fromarray(one)), tmp_path).image for one in (square, wide, tall)
    )
    for one in others:
        assert (one == plain).all()


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path):
    picture = EncodedPicture(key="a", path="gone", offset=None, size=2**28 + 1, content=None)
    found = decode(picture, tmp_path)
    assert (found.reason, found.detail) == ("file too large", f"{2**28 + 1} bytes")


def test_the_encoded_picture_is_let_go_of_when_it_is_decoded(tmp_path):
    picture = encoded(halves(8, 8))
    size = picture.size
    decode(picture, tmp_path)
    assert (picture.content, picture.size) == (None, size)


def test_forms_that_are_no_pictures_of_ours_are_not_opened(tmp_path):
    stream = io.BytesIO()
    halves(8, 8).save(stream, "ICO")
    assert decode(encoded(stream.getvalue()), tmp_path).reason == "no picture"

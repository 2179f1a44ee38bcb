import base64
import io

import numpy as np
import pytest
from PIL import Image

from mindeye.report.grids import (
    GAP,
    LABEL_SIZE,
    TEXT_LINES,
    PictureGrid,
    contact_sheet,
    png_address,
)


def pictures(count: int, side: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, size=(count, side, side, 3), dtype=np.uint8)


def decoded(address: str) -> np.ndarray:
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_picture_survives_its_address_and_a_large_one_is_reduced():
    picture = pictures(1)[0]
    np.testing.assert_array_equal(decoded(png_address(picture)), picture)
    assert decoded(png_address(pictures(1, 600)[0])).shape == (256, 256, 3)


def test_a_contact_sheet_holds_every_picture_in_its_place():
    shown, small = pictures(3), pictures(3, 8, seed=1)
    sheet = contact_sheet({"shown": shown, "reconstruction": small})
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] == GAP + 2 * (16 + GAP)
    left = sheet.shape[1] - 3 * (16 + GAP)
    for column in range(3):
        start = left + column * (16 + GAP)
        np.testing.assert_array_equal(sheet[GAP : GAP + 16, start : start + 16], shown[column])
    assert (sheet[:, :left] < 255).any()


def test_a_note_stands_whole_under_the_pictures_and_moves_none():
    shown = pictures(2)
    plain, noted = contact_sheet({"shown": shown}), contact_sheet({"shown": shown}, "a note " * 9)
    assert noted.shape[0] > plain.shape[0]
    np.testing.assert_array_equal(noted[: len(plain), : plain.shape[1]], plain)
    under = noted[len(plain) :]
    assert (under < 255).any()
    assert (under[:, -GAP:] == 255).all(), "cut off at the right"


def test_words_stand_above_and_texts_below_the_columns_and_move_no_picture():
    shown = np.repeat(np.repeat(pictures(2), 6, axis=1), 6, axis=2)
    plain = contact_sheet({"shown": shown})
    told = contact_sheet({"shown": shown}, above=["7", "9"], below=["", "a red bird on a branch"])
    head = LABEL_SIZE + 2 * GAP
    np.testing.assert_array_equal(told[head : head + len(plain)], plain)
    foot = told[head + len(plain) :]
    middle = told.shape[1] - shown.shape[2] - GAP
    assert (told[:head] < 255).any()
    assert (foot[:, middle:] < 255).any()
    assert (foot[:, : middle - GAP] == 255).all(), "the first has no text"
    endless = contact_sheet({"shown": shown}, below=["word " * 99, ""])
    assert endless.shape[0] == len(plain) + TEXT_LINES * (LABEL_SIZE + GAP)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ({}, "at least one line"),
        ({"a": pictures(2), "b": pictures(3)}, "different numbers of pictures"),
        ({"a": pictures(2).astype(float)}, "`a` are float64"),
        ({"a": pictures(2).transpose(0, 3, 1, 2)}, "put channels last"),
    ],
)
def test_a_contact_sheet_refuses_what_it_cannot_place(rows, text):
    with pytest.raises(ValueError, match=text):
        contact_sheet(rows)


def test_a_grid_refuses_columns_of_other_images():
    with pytest.raises(ValueError, match=r"`G` has 3 image ids, but \{'blurry': 2\}"):
        PictureGrid(
            title="G", chosen="All.", seed=None, image_ids=np.arange(3),
            columns={"shown": pictures(3), "blurry": pictures(2)},
        )  # fmt: skip

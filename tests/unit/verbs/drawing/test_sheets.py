"""Contact sheets of a folder of reconstructions."""

import numpy as np
from PIL import Image

from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.verbs.drawing.sheets import TILE, bytes_of_sheets, has_sheets, num_sheets, write_sheets


def made(images: int, candidates: int) -> Reconstruction:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (images, candidates, 16, 16, 3), dtype=np.uint8)
    return Reconstruction(
        image_ids=np.arange(images),
        pictures=pictures[:, 0],
        candidates=pictures,
        scores=np.zeros((images, candidates), dtype=np.float32),
        chosen=np.zeros(images, dtype=np.int64),
        blurry=pictures[:, 0, ::2, ::2],
        spread=None,
        image_tokens=None,
    )


def sheet_of(tmp_path, name: str, **given) -> np.ndarray:
    drawn = made(3, 2)
    settings = {"marks": {}, "captions": {}, "note": "", **given}
    write_sheets(tmp_path / name, drawn, drawn.pictures, **settings)
    return np.asarray(Image.open(tmp_path / name / "sheets" / "000.png"))


def test_ten_images_stand_on_a_sheet_and_all_pictures_of_an_image_in_its_column(tmp_path):
    drawn = made(11, 3)
    shown = 255 - drawn.pictures
    write_sheets(tmp_path, drawn, shown, marks={}, captions={}, note="made up")
    assert num_sheets(11) == 2
    assert has_sheets(tmp_path, 11)
    assert not has_sheets(tmp_path, 21)
    second = np.asarray(Image.open(tmp_path / "sheets" / "001.png"))
    tile = Image.fromarray(shown[10]).resize((TILE, TILE), Image.Resampling.LANCZOS)
    windows = np.lib.stride_tricks.sliding_window_view(second, (TILE, TILE, 3))
    found = (windows[:, :, 0, 0, 0] == np.asarray(tile)[0, 0]).all(-1)
    assert any(
        np.array_equal(second[y : y + TILE, x : x + TILE], tile) for y, x in np.argwhere(found)
    )
    total = sum(np.asarray(Image.open(one)).nbytes for one in (tmp_path / "sheets").iterdir())
    assert total < bytes_of_sheets(11, 3)


def test_marks_and_captions_are_seen(tmp_path):
    plain = sheet_of(tmp_path, "plain")
    marked = sheet_of(tmp_path, "marked", marks={1: "not to be trusted"})
    assert marked.shape == plain.shape
    assert (marked != plain).any()
    told = sheet_of(tmp_path, "told", captions={2: "a red bird on a branch in front of a lake"})
    assert told.shape[0] > plain.shape[0]

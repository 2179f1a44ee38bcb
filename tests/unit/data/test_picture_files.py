"""Pictures are found by name, wherever they lie, and never guessed."""

import numpy as np
import pytest
from PIL import Image

from mindeye.data.picture_files import find_pictures, square_picture, square_pictures


@pytest.fixture
def folder(tmp_path):
    """Two pictures below each other, one of them named after a film."""
    (tmp_path / "cats").mkdir()
    for name, size in (("dog.png", (8, 8)), ("cats/cat_01.jpg", (12, 6)), ("film.png", (4, 4))):
        Image.new("RGB", size, (10, 200, 90)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


@pytest.mark.parametrize("name", ["cats/cat_01.jpg", "cat_01.jpg", "cat_01", "cats/cat_01"])
def test_a_picture_answers_to_its_path_and_to_its_name(folder, name):
    assert find_pictures(folder, {5: name}) == {5: folder / "cats" / "cat_01.jpg"}


def test_a_film_is_told_by_a_picture_of_its_name(folder):
    assert find_pictures(folder, {0: "film.mp4"}) == {0: folder / "film.png"}


def test_what_is_missing_is_named_with_where_it_was_looked_for(folder):
    with pytest.raises(FileNotFoundError, match=r"2 of 3 .* owl\.jpg was looked for in .*owl\.jpg"):
        find_pictures(folder, {0: "dog", 1: "owl.jpg", 2: "notes.txt"})
    with pytest.raises(FileNotFoundError, match=r"nowhere is no folder"):
        find_pictures(folder / "nowhere", {0: "dog"})


def test_two_files_of_one_name_are_refused_unless_the_path_tells(folder):
    Image.new("RGB", (4, 4)).save(folder / "cats" / "dog.png")
    (folder / "cats" / "more").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "cats" / "more" / "cat_01.jpg")
    with pytest.raises(ValueError, match=r"cat_01\.jpg and .*cat_01\.jpg both answer to cat_01\b"):
        find_pictures(folder, {0: "cat_01"})
    for name in ("dog.png", "dog", "cats/dog.png"):
        place = folder / "cats" if "cats" in name else folder
        assert find_pictures(folder, {0: name}) == {0: place / "dog.png"}


def test_the_middle_square_is_kept(tmp_path):
    wide = np.zeros((4, 10, 3), dtype=np.uint8)
    wide[:, 3:7] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert (square_picture(tmp_path / "wide.png", 4) == 200).all()
    rows = dict(square_pictures({7: tmp_path / "wide.png"}, np.array([7]), 2))
    assert list(rows) == [0]
    assert rows[0].shape == (2, 2, 3)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be read"):
        square_picture(tmp_path / "cut.jpg", 4)


def test_a_transparent_picture_is_put_on_the_gray_that_it_was_shown_on(tmp_path):
    values = np.random.default_rng(3).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    values[:4, :, 3] = 0
    Image.fromarray(values).save(tmp_path / "one.png")
    alpha = values[..., 3:].astype(np.float64) / 255
    expected = values[..., :3] * alpha + 127.5 * (1 - alpha)
    shown = square_picture(tmp_path / "one.png", 8, behind=127.5)
    np.testing.assert_allclose(shown, expected, atol=0.501)
    inside = (tmp_path / "one.png").read_bytes()
    elsewhere = square_picture(tmp_path / "archive.h5", 8, content=inside, behind=127.5)
    np.testing.assert_array_equal(elsewhere, shown)


def test_an_opaque_picture_is_the_same_on_any_gray(tmp_path):
    values = np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "one.png")
    np.testing.assert_array_equal(square_picture(tmp_path / "one.png", 8, behind=127.5), values)
    np.testing.assert_array_equal(square_picture(tmp_path / "one.png", 8), values)

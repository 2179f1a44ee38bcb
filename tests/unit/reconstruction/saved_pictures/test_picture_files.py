import numpy as np
import pytest
from PIL import Image

from mindeye.reconstruction.saved_pictures.picture_files import open_picture_files


def replace_first(folder, image: Image.Image, **settings):
    path = min(folder.iterdir())
    image.save(path, **settings)
    return path


def test_pictures_come_back_to_the_bit_in_the_order_of_their_ids(save_folder, pictures, image_ids):
    opened = open_picture_files(save_folder())
    order = np.argsort(image_ids)
    assert opened.image_ids.tolist() == image_ids[order].tolist()
    np.testing.assert_array_equal(opened.read(np.array([5, 0])), pictures[order][[5, 0]])
    assert (opened.count, opened.size, opened.notes) == (12, (16, 16), ())


def test_other_files_are_left_out_with_a_note(save_folder):
    folder = save_folder()
    (folder / "notes.txt").write_text("drawn on Monday")
    assert open_picture_files(folder).notes == ("1 entries that are no PNG or JPEG were left out.",)


def test_grey_becomes_rgb_with_a_note(save_folder):
    folder = save_folder()
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    replace_first(folder, Image.fromarray(grey))
    opened = open_picture_files(folder)
    assert opened.notes[0].startswith("1 of 12 pictures are grey")
    np.testing.assert_array_equal(opened.read(np.array([0]))[0], grey[..., None].repeat(3, 2))


def test_alpha_that_hides_nothing_is_dropped_with_a_note(save_folder, pictures, image_ids):
    folder = save_folder()
    first = pictures[np.argmin(image_ids)]
    opaque = np.concatenate([first, np.full((16, 16, 1), 255, np.uint8)], axis=2)
    replace_first(folder, Image.fromarray(opaque))
    opened = open_picture_files(folder)
    assert opened.notes[0].startswith("1 of 12 pictures are with an alpha channel that hides")
    np.testing.assert_array_equal(opened.read(np.array([0]))[0], first)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_refused_by_name(save_folder, mode):
    folder = save_folder()
    see_through = Image.new("RGBA", (16, 16), (200, 10, 10, 128))
    path = replace_first(folder, see_through.convert(mode), **(
        {"transparency": 0} if mode == "P" else {}
    ))  # fmt: skip
    opened = open_picture_files(folder)
    with pytest.raises(ValueError, match=f"{path.name} is transparent in places"):
        opened.read(np.arange(12))


def test_a_picture_that_was_cut_off_is_refused_by_name(save_folder):
    folder = save_folder()
    path = min(folder.iterdir())
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(ValueError, match=f"{path.name} cannot be read as a picture"):
        open_picture_files(folder).read(np.arange(12))


def test_a_file_that_is_no_picture_is_refused_by_name(save_folder):
    folder = save_folder()
    path = min(folder.iterdir())
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=f"{path.name} cannot be read as a picture"):
        open_picture_files(folder)


def test_pictures_of_two_sizes_are_refused_and_both_are_named(save_folder):
    folder = save_folder()
    replace_first(folder, Image.new("RGB", (20, 16)))
    with pytest.raises(ValueError, match=r"is 20 x 16 px, but nsd-07003\.png 16 x 16"):
        open_picture_files(folder)


def test_sixteen_bits_are_refused_because_pil_would_cut_them(save_folder):
    folder = save_folder()
    replace_first(folder, Image.fromarray(np.full((16, 16), 40_000, np.uint16)))
    with pytest.raises(ValueError, match="mode I;16, whose meaning in 8-bit RGB depends"):
        open_picture_files(folder)


def test_a_jpeg_is_turned_as_its_camera_says_with_a_note(save_folder):
    folder = save_folder(name_of=lambda one: f"{one}.jpg")
    left_dark = Image.fromarray(np.tile(np.repeat([0, 255], 8).astype(np.uint8), (16, 1)))
    exif = Image.Exif()
    exif[0x0112] = 6  # the right thing to do is a turn by 90 degrees, clockwise
    replace_first(folder, left_dark.convert("RGB"), exif=exif)
    opened = open_picture_files(folder)
    first = opened.read(np.array([0]))[0]
    assert first[:4].mean() < 20
    assert first[-4:].mean() > 235
    assert any(note.startswith("1 of 12 pictures are turned") for note in opened.notes)
    assert any(note.startswith("12 of 12 pictures are JPEG") for note in opened.notes)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no picture \(0 other entries\)"):
        open_picture_files(tmp_path)

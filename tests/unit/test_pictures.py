import numpy as np
import pytest
import torch
from PIL import Image

from mindeye.pictures import as_images, as_pictures, save_png


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)


def test_pictures_survive_the_way_to_tensors_and_back(pictures):
    images = as_images(pictures)
    assert images.shape == (3, 3, 4, 6)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(as_pictures(images), pictures)


def test_the_argument_is_neither_changed_nor_shared(pictures):
    before = pictures.copy()
    as_images(pictures).zero_()
    np.testing.assert_array_equal(pictures, before)


def test_a_read_only_memory_map_is_fine(pictures, tmp_path):
    np.save(tmp_path / "images.npy", pictures)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(as_pictures(as_images(mapped[1:])), pictures[1:])


def test_values_outside_are_clamped_and_inside_are_rounded():
    images = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.5]).expand(3, 1, 5)
    assert as_pictures(images)[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_axes_before_the_picture_stay(pictures):
    images = as_images(pictures).unflatten(0, (3, 1))
    assert as_pictures(images).shape == (3, 1, 4, 6, 3)
    assert as_pictures(images).flags.c_contiguous


def test_a_png_holds_the_same_pixels(pictures, tmp_path):
    save_png(pictures[0], tmp_path / "deep" / "one.png")
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "deep" / "one.png")), pictures[0]
    )

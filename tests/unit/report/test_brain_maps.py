import io

import numpy as np
import pytest
from PIL import Image

from mindeye.report.brain_maps import can_draw_glass_brains, glass_brains, slice_mosaics
from mindeye.report.plots import LIGHT


@pytest.fixture
def volume():
    volume = np.full((12, 10, 20), np.nan, dtype=np.float32)
    volume[2:9, 3:8, 4:16] = np.random.default_rng(0).normal(size=(7, 5, 12))
    return volume


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_mosaic_shows_the_values_and_is_the_same_each_time(volume):
    first = slice_mosaics({"r": volume}, LIGHT)["r"]
    assert first == slice_mosaics({"r": volume}, LIGHT)["r"]
    assert first != slice_mosaics({"r": -volume}, LIGHT)["r"]


def test_a_background_lies_under_the_map(volume):
    plain = pixels(slice_mosaics({"r": volume}, LIGHT)["r"])
    ground = np.random.default_rng(1).random(volume.shape, dtype=np.float32)
    laid = pixels(slice_mosaics({"r": volume}, LIGHT, ground)["r"])
    assert plain.shape == laid.shape
    assert (plain != laid).any()


def test_a_map_of_zeros_can_be_drawn(volume):
    assert slice_mosaics({"flat": np.where(np.isfinite(volume), 0.0, np.nan)}, LIGHT)["flat"]


@pytest.mark.skipif(not can_draw_glass_brains(), reason="needs nilearn: pip install nilearn")
def test_a_glass_brain_shows_where_the_map_is(volume):
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    moved = affine.copy()
    moved[:3, 3] = -20
    here = glass_brains({"r": np.abs(volume)}, affine, LIGHT)["r"]
    there = glass_brains({"r": np.abs(volume)}, moved, LIGHT)["r"]
    assert here != there

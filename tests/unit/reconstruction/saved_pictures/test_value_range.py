import numpy as np
import pytest
import torch

from mindeye.reconstruction.saved_pictures.value_range import (
    Extremes,
    as_unit_images,
    range_of,
)

FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)


def told(dtype, low, high, asked=None):
    return range_of("a.pt", "--range", dtype, Extremes(low, high), asked)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [(BYTE, 0, 255, "0..255"), (BYTE, 3, 90, "0..255"), (FLOAT, 0.0, 1.0, "0..1"),
     (np.dtype(np.float16), 0.1, 1.0005, "0..1")],
)  # fmt: skip
def test_one_meaning_needs_no_word(dtype, low, high, expected):
    assert told(dtype, low, high) == (expected, None)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "message"),
    [
        (FLOAT, 0, 255, r"from 0 to 255, neither .* pass --range=0\.\.255"),
        (FLOAT, -1, 1, r"pass --range=-1\.\.1"),
        (FLOAT, -0.04, 1.3, r"pass --range=0\.\.1"),
        (np.dtype(np.int64), 0, 255, r"int64 values .* pass --range=0\.\.255"),
        (BYTE, 0, 1, "uint8 values of 0 and 1 alone"),
    ],
)
def test_several_meanings_are_refused_with_the_likely_one(dtype, low, high, message):
    with pytest.raises(ValueError, match=message):
        told(dtype, low, high)


@pytest.mark.parametrize(
    ("low", "high", "asked"),
    [(0, 255, "0..255"), (-1, 1, "-1..1"), (-0.9, 0.4, "-1..1"), (0, 1, "0..1")],
)
def test_the_word_of_the_user_is_taken_where_it_can_be_true(low, high, asked):
    assert told(FLOAT, low, high, asked) == (asked, None)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "asked"),
    [
        (FLOAT, 0, 1, "0..255"),
        (FLOAT, 0, 1, "-1..1"),
        (FLOAT, -3, 3, "-1..1"),
        (FLOAT, 0, 255, "0..1"),
        (BYTE, 0, 255, "0..1"),
        (BYTE, 0, 255, "-1..1"),
        (FLOAT, -20, 300, "0..255"),
    ],
)
def test_a_word_that_the_values_contradict_is_refused(dtype, low, high, asked):
    with pytest.raises(ValueError, match=r"--range"):
        told(dtype, low, high, asked)


def test_overshoot_is_clamped_by_the_users_word_with_a_note():
    assert told(FLOAT, -0.04, 1.3, "0..1") == (
        "0..1",
        "Values from -0.04 to 1.3 were clamped to 0..1.",
    )


@pytest.mark.parametrize("value_range", ["0..255", "-1..1", "0..1"])
def test_all_ranges_of_one_picture_give_the_same_images(value_range):
    unit = torch.rand(2, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    stored = {"0..1": unit, "0..255": unit * 255, "-1..1": unit * 2 - 1}[value_range]
    images = as_unit_images(stored.numpy(), value_range)
    torch.testing.assert_close(images, unit.permute(0, 3, 1, 2), atol=1e-6, rtol=0)


def test_grey_becomes_three_equal_channels():
    grey = np.random.default_rng(0).random((2, 8, 8, 1), dtype=np.float32)
    images = as_unit_images(grey, "0..1")
    assert images.shape == (2, 3, 8, 8)
    assert torch.equal(images[:, 0], images[:, 2])

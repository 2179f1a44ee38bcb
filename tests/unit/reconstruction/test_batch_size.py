import warnings

import pytest
import torch

from mindeye.reconstruction.batch_size import BatchSize


class SmallDevice:
    """Has room for so many pictures at once, and keeps what it was asked for."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked = []

    def __call__(self, rows: slice) -> list[int]:
        self.asked.append(rows.stop - rows.start)
        if rows.stop - rows.start > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return list(range(rows.start, rows.stop))


def joined(parts: list[list[int]]) -> list[int]:
    return [number for part in parts for number in part]


@pytest.mark.parametrize(
    ("pictures", "asked"), [(None, [10]), (10, [10]), (99, [10]), (4, [4, 4, 2]), (1, [1] * 10)]
)
def test_every_picture_is_drawn_once_and_in_order(pictures, asked):
    device = SmallDevice(99)
    assert joined(BatchSize(pictures).in_parts(10, device)) == list(range(10))
    assert device.asked == asked


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_stays_so():
    batch, device = BatchSize(), SmallDevice(3)
    with pytest.warns(UserWarning, match="no room to draw 10 .* goes on with 5. Pass --batch 5"):
        assert joined(batch.in_parts(10, device)) == list(range(10))
    assert device.asked == [10, 5, 2, 2, 2, 2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert joined(batch.in_parts(3, device)) == [0, 1, 2]
    assert device.asked[7:] == [2, 1]


def test_a_device_without_room_for_one_picture_is_refused():
    with (
        pytest.warns(UserWarning, match="goes on with 1"),
        pytest.raises(MemoryError, match="no room for a single picture"),
    ):
        BatchSize(2).in_parts(4, SmallDevice(0))


def test_other_errors_are_not_hidden():
    def broken(rows):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        BatchSize(2).in_parts(4, broken)


def test_a_batch_of_no_picture_is_refused():
    with pytest.raises(ValueError, match="A batch of 0 pictures draws none"):
        BatchSize(0)


@pytest.mark.parametrize(
    ("pictures", "candidates", "images"), [(None, 4, 20), (64, 16, 4), (70, 16, 4), (8, 16, 1)]
)
def test_images_whose_candidates_fill_a_batch_are_drawn_together(pictures, candidates, images):
    assert BatchSize(pictures).num_images(candidates) == images

from itertools import pairwise

import numpy as np
import pytest
import torch

from mindeye.retrieval.near_duplicates import (
    closest_pairs,
    nearest_in_blocks,
    nearest_in_pool,
    tenths,
)


def embeddings(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed))


def cosines(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.cosine_similarity(first[:, None], second[None], dim=2).numpy()


def test_the_nearest_of_other_images_is_that_of_a_slow_search():
    test, training = embeddings(7, 0), embeddings(23, 1)
    found = nearest_in_blocks(test, training.split(5))
    slow = cosines(test, training)
    np.testing.assert_array_equal(found.row, slow.argmax(1))
    np.testing.assert_allclose(found.similarity, slow.max(1), rtol=1e-5)
    whole = nearest_in_blocks(test, [training])
    np.testing.assert_array_equal(whole.row, found.row)


def test_an_image_is_not_its_own_neighbour():
    images = embeddings(9, 2)
    images[4] = 3 * images[7]
    found = nearest_in_pool(images)
    assert (found.row != np.arange(9)).all()
    assert (found.row[4], found.row[7]) == (7, 4)
    assert found.similarity[4] == pytest.approx(1, abs=1e-6)
    slow = cosines(images, images)
    np.fill_diagonal(slow, -2)
    np.testing.assert_allclose(found.similarity, slow.max(1), rtol=1e-5)
    first, *others = closest_pairs(found, 3)
    assert first == (4, 7)
    assert len(others) == 2
    assert len({*others, first}) == 3


def test_tenths_ascend_and_hold_every_image_once():
    closeness = np.random.default_rng(0).normal(size=103)
    parts = tenths(closeness)
    assert [len(part) for part in parts] == [11] * 3 + [10] * 7
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(103))
    for before, after in pairwise(parts):
        assert closeness[before].max() <= closeness[after].min()


def test_few_images_make_fewer_parts_of_at_least_two():
    assert [len(part) for part in tenths(np.arange(8.0))] == [2] * 4
    assert [len(part) for part in tenths(np.arange(3.0))] == [3]


def test_no_training_image_is_refused():
    with pytest.raises(ValueError, match="no training image"):
        nearest_in_blocks(embeddings(3, 0), [])

from itertools import pairwise

import numpy as np
import pytest
import torch

from mindeye.retrieval.near_duplicates import (
    closest_pairs,
    nearest_in_blocks,
    nearest_in_pool,
    nearest_training,
    tenths,
)


def embeddings(rows: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed))


def cosines(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.cosine_similarity(first[:, None], second[None], dim=2).numpy()


def without_mean(images: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    unit, of_test = (torch.stack([row / row.norm() for row in one]) for one in (images, test))
    return unit - of_test.mean(0)


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
    apart = without_mean(images, images)
    slow = cosines(apart, apart)
    np.fill_diagonal(slow, -2)
    np.testing.assert_allclose(found.similarity, slow.max(1), rtol=1e-5)
    first, *others = closest_pairs(found, 3)
    assert first == (4, 7)
    assert len(others) == 2
    assert len({*others, first}) == 3


def test_what_all_images_share_makes_none_of_them_alike():
    """Plain cosines of these are nearly 1; of what tells them apart, they are not."""
    shared = 50 + torch.zeros(6)
    test, training = embeddings(7, 0) + shared, embeddings(23, 1) + shared
    assert nearest_in_blocks(test, [training]).similarity.min() > 0.99
    found = nearest_training(test, training.split(4))
    slow = cosines(without_mean(test, test), without_mean(training, test))
    np.testing.assert_array_equal(found.row, slow.argmax(1))
    np.testing.assert_allclose(found.similarity, slow.max(1), atol=1e-4)
    assert found.similarity.min() < 0.9
    training[5] = 2 * test[3]
    again = nearest_training(test, training.split(4))
    assert (again.row[3], again.similarity[3]) == (5, pytest.approx(1, abs=1e-4))


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

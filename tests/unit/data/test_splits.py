import numpy as np
import pytest

from mindeye.data.splits import held_out, require_disjoint, split_images, trials_of_split


def test_every_image_is_in_exactly_one_split():
    image_ids = np.random.default_rng(0).integers(0, 3000, 5000)
    shared = image_ids % 10 == 0
    splits = split_images(image_ids, shared, seed=0)
    together = np.sort(np.concatenate(list(splits.values())))
    np.testing.assert_array_equal(together, np.unique(image_ids))
    assert (splits["test"] % 10 == 0).all()
    assert (splits["validation"] % 10 != 0).all()
    for name, ids in splits.items():
        rows = trials_of_split(image_ids, splits, name)
        np.testing.assert_array_equal(np.unique(image_ids[rows]), ids)


def test_validation_is_about_its_share():
    chosen = held_out(np.arange(9000), share=0.05, seed=0)
    assert 0.04 < chosen.mean() < 0.06


def test_more_images_move_none():
    few, many = np.arange(0, 9000, 3), np.arange(9000)
    np.testing.assert_array_equal(
        held_out(few, share=0.05, seed=4), held_out(many, share=0.05, seed=4)[::3]
    )


def test_the_seed_chooses_the_validation_images():
    ids = np.arange(9000)
    first, second = (held_out(ids, share=0.05, seed=seed) for seed in (0, 1))
    assert (first & second).sum() < 0.2 * first.sum()


def test_a_leak_is_refused_with_its_image_ids():
    splits = {"train": np.array([1, 2, 3]), "validation": np.array([4]), "test": np.array([2, 3])}
    with pytest.raises(ValueError, match=r"2 images stand in train and in test, first \[2, 3\]"):
        require_disjoint(splits)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="leave nothing for test"):
        split_images(np.arange(500), np.zeros(500, dtype=bool), seed=0)


def test_an_unknown_split_is_refused():
    with pytest.raises(LookupError, match="no split `val`"):
        trials_of_split(np.arange(3), {"train": np.arange(3)}, "val")

import numpy as np
import pytest

from mindeye.metrics.closed_set import (
    closed_set_null,
    mean_of_images,
    permuted_labels,
    top1_table,
    two_way_table,
)

IDS = np.array([0, 1, 0, 1, 2, 3, 3, 2])
GROUPS = np.array([1, 1, 1, 1, 2, 2, 2, 2])


def test_two_way_counts_the_images_that_are_less_alike():
    table = two_way_table(np.array([[0.1, 0.5, 0.9], [0.3, 0.3, 0.0]]))
    np.testing.assert_allclose(table, [[0, 0.5, 1], [0.5, 0.5, 0]])


def test_top1_needs_a_single_best_image():
    table = top1_table(np.array([[0.1, 0.5, 0.9], [0.3, 0.3, 0.0]]))
    np.testing.assert_array_equal(table, [[0, 0, 1], [0, 0, 0]])


def test_an_image_counts_once_however_often_it_was_shown():
    values = np.array([1.0, 0.0, 1.0, 1.0])
    np.testing.assert_allclose(mean_of_images(values, np.array([5, 7, 5, 7])), [1.0, 0.5])


def test_permutations_stay_within_groups_and_keep_repeats():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = permuted_labels(IDS, GROUPS, rng)
        for group in (1, 2):
            members = group == GROUPS
            assert sorted(labels[members]) == sorted(IDS[members])
        assert labels[0] == labels[2]
        assert labels[5] == labels[6]


def test_the_null_of_a_perfect_decoder_lies_below_it_and_that_of_none_around_it():
    rng = np.random.default_rng(0)
    ids = np.tile(np.arange(6), 8)
    groups = np.repeat(np.arange(8), 6)
    perfect = np.eye(6)[ids] + 0.01 * rng.random((48, 6))
    nothing = rng.random((48, 6))
    tables = {"perfect": two_way_table(perfect), "nothing": two_way_table(nothing)}
    null = closed_set_null(tables, ids, groups, rng, permutations=200)
    assert null["perfect"].max() < 0.8
    observed = tables["nothing"][np.arange(48), ids].mean()
    assert np.quantile(null["nothing"], 0.005) < observed < np.quantile(null["nothing"], 0.995)


def test_knowing_the_group_alone_does_not_beat_the_null():
    # Each group shows its own two images; the decoder tells the group and nothing else.
    likeness = (IDS[:, None] // 2 == np.arange(4) // 2).astype(float)
    likeness += 1e-3 * np.arange(4)
    table = two_way_table(likeness)
    null = closed_set_null({"two-way": table}, IDS, GROUPS, np.random.default_rng(0), 300)
    observed = mean_of_images(table[np.arange(8), IDS], IDS).mean()
    assert observed == pytest.approx(null["two-way"].mean())
    assert observed > 0.6

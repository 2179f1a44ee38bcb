"""Systems on the same images, and what subjects together allow to say."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.metrics.statistics import paired_difference_interval
from mindeye.retrieval.accuracy import retrieval_per_image
from mindeye.retrieval.rank_scores import DIRECTIONS, rank_scores
from mindeye.verbs.retrieval.retrieval_comparison import difference_rows
from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings


def test_systems_are_compared_on_the_same_images(file_of, measured, pairs_in):
    ours, ridge = file_of("ours"), file_of("ridge", noise=1.5)
    found = measured(ours, ridge, pools=(10,), resamples=4000)
    by_metric = {one.row.metric: one for one in found.differences}
    name = "image retrieval top-1 of 10"
    first, second = (retrieval_per_image(*pairs_in(path), (10,))[name] for path in (ours, ridge))
    expected = paired_difference_interval(first, second, np.random.default_rng(0), resamples=4000)
    row = by_metric[name].row
    assert row.system == "ours, subject 1 minus ridge"
    np.testing.assert_allclose([row.value, row.low, row.high], expected, atol=0.01)
    assert by_metric[name].p == 1 / 200
    turned = measured(ridge, ours, pools=(10,))
    assert {one.row.metric: one.row.value for one in turned.differences}[name] == pytest.approx(
        -row.value
    )
    # Two-sided: the worse system differs as surely.
    assert {one.row.metric: one.p for one in turned.differences}[name] == 1 / 200


def test_a_system_that_equals_another_differs_by_nothing_that_is_known_exactly(file_of, measured):
    found = measured(file_of("one"), file_of("two"), pools=("all",))
    for one in found.differences:
        assert (one.row.value, one.p) == (0.0, 1.0)
        # No difference in 40 images: at most this share of images can have one.
        assert one.row.high == -one.row.low == pytest.approx(1 - 0.025 ** (1 / 40))


@pytest.mark.parametrize("num_images", [6, 7])
def test_equal_differences_are_as_far_as_any_flip_of_their_signs(num_images, file_of, measured):
    one = measured(file_of("ours"), pools=("all",)).scored[0]
    scores = rank_scores(num_images, (num_images,), (1,))
    first, second = (
        replace(
            one,
            image_ids=np.arange(num_images),
            rivals=dict.fromkeys(DIRECTIONS, np.full(num_images, rivals)),
            scores=scores,
        )
        for rivals in (1, 2)
    )
    rows = difference_rows(first, second, BenchmarkSettings(permutations=20_000))
    reciprocal = next(one for one in rows if "reciprocal" in one.row.metric)
    # All signs alike: 2 of 2**n ways.
    assert reciprocal.p == pytest.approx(2.0 ** (1 - num_images), rel=0.2)


def test_subjects_come_first_then_their_mean_and_what_so_few_allow_to_say(file_of, measured):
    files = [f"ours={file_of(f'subject{s}', s, 0.5 + s / 10)}" for s in (1, 2, 5, 7)]
    found = measured(*files, pools=("all",))
    name = "image retrieval top-1 of 40"
    rows = [one for one in found.ordered if one.row.metric == name]
    assert [one.row.system for one in rows] == [
        *(f"ours, subject {s}" for s in (1, 2, 5, 7)), "ours, mean of 4 subjects",
    ]  # fmt: skip
    assert rows[-1].row.value == pytest.approx(np.mean([one.row.value for one in rows[:4]]))
    assert rows[-1].row.n == 4
    assert any("better than chance in 4 of 4" in text for text in found.texts)
    assert found.limits == [
        "With 4 subjects no two-sided sign-flip test can fall below 0.125, so that none can reach "
        "0.05: rest on the count and on each subject."
    ]
    assert not [one for one in found.groups if "pools" in one.result.rows[0].metric]


def test_groups_of_differences_count_only_subjects_on_the_better_side(file_of, measured):
    files = []
    for subject, (ours, other) in enumerate([(0.5, 1.6), (0.5, 1.6), (1.6, 0.5)], 1):
        files.append(f"ours={file_of(f'a{subject}', subject, ours)}")
        files.append(f"other={file_of(f'b{subject}', subject, other)}")
    found = measured(*files, pools=("all",))
    (group,) = [
        one
        for one in found.difference_groups
        if one.result.rows[0].metric == "image retrieval top-1 of 40"
    ]
    assert group.result.passed == 2
    assert "the first system ahead in 2 of 3" in group.result.text


def test_one_subject_is_told_that_it_is_one(file_of, measured):
    found = measured(file_of("ours"), pools=("all",))
    assert found.texts == []
    assert "say nothing of other people" in found.limits[0]

from dataclasses import replace

import numpy as np
import pytest

from mindeye.verbs.benchmarks.interval_coverage import (
    SHAPES,
    bootstrap_seconds,
    coverages,
    retrieval_coverage,
    shape_coverage,
    subject_coverage,
)

MEANS = {name: shape for name, shape in SHAPES.items() if not shape.median and not shape.beyond}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", SHAPES)
def test_the_truth_of_a_shape_is_what_many_draws_come_to(name):
    values = SHAPES[name].draw(rng(), (400_000, 1))
    middle = np.median(values) if SHAPES[name].median else values.mean()
    assert middle == pytest.approx(SHAPES[name].truth, abs=5 * values.std() / 400_000**0.5)


@pytest.mark.parametrize("name", MEANS)
def test_intervals_of_a_hundred_images_hold_the_truth_as_often_as_they_say(name):
    found = shape_coverage(name, MEANS[name], 100, rng(), data_sets=1000, resamples=1000)
    # 0.93 to 0.97 is promised of many data sets; the standard error of these is 0.007.
    assert 0.92 < found.covered < 0.975
    assert found.covered + found.below + found.above == pytest.approx(1)


def test_medians_hold_the_truth_too():
    shape = SHAPES["median of ranks, lognormal"]
    found = shape_coverage("", shape, 100, rng(), data_sets=300, resamples=500)
    assert 0.91 < found.covered < 0.985


def test_images_that_are_each_others_rivals_do_not_make_intervals_too_narrow():
    found = retrieval_coverage(100, rng(), data_sets=400, resamples=500)
    assert 0.92 < found.covered < 0.98


def test_a_wrong_truth_is_not_held():
    wrong = replace(MEANS["skewed, gamma 2 (distances)"], truth=2.6)
    found = shape_coverage("", wrong, 100, rng(), data_sets=200, resamples=300)
    assert found.covered < 0.2
    assert found.below > 0.8


def test_a_bootstrap_over_four_subjects_is_too_narrow_and_students_interval_is_not():
    student, resampled = subject_coverage(4, rng(), data_sets=1000)
    assert 0.93 < student.covered < 0.97
    assert resampled.covered < 0.85
    assert resampled.beyond


def test_every_shape_is_measured_and_progress_ends_at_the_total():
    told = []
    found = list(
        coverages([10], data_sets=20, resamples=50, progress=lambda *now: told.append(now))
    )
    assert [one.shape for one in found[: len(SHAPES)]] == list(SHAPES)
    assert len(found) == len(SHAPES) + 1 + 4
    assert told[-1] == (len(SHAPES) + 3, len(SHAPES) + 3)


def test_ten_thousand_resamples_of_all_metrics_take_less_than_five_seconds():
    assert bootstrap_seconds(12, 1000, 10_000, rounds=1) < 5

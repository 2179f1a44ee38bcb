"""Differences of systems on the same images, against scipy and against planted truths."""

import numpy as np
import pytest
import scipy.stats

from mindeye.metrics.paired_systems import paired_differences, system_intervals


@pytest.fixture
def scores():
    """`better` is .05 above `base` on every image but for noise; `same` differs by noise alone."""
    rng = np.random.default_rng(7)
    base = rng.normal(0.4, 0.2, 200)
    return {
        "base": {"PixCorr": base, "SSIM": rng.normal(0.5, 0.1, 200)},
        "better": {
            "PixCorr": base + 0.05 + rng.normal(0, 0.02, 200),
            "SSIM": rng.normal(0.5, 0.1, 200),
        },
        "same": {"PixCorr": base + rng.normal(0, 0.02, 200), "SSIM": rng.normal(0.5, 0.1, 200)},
    }


PAIRS = [("better", "base"), ("same", "base"), ("better", "same")]


def test_differences_and_p_values_agree_with_scipy(scores):
    found = paired_differences(scores, PAIRS, np.random.default_rng(1))
    assert [(one.metric, one.first, one.second) for one in found[:3]] == [
        ("PixCorr", *pair) for pair in PAIRS
    ]
    for one in found:
        values = scores[one.first][one.metric] - scores[one.second][one.metric]
        expected = scipy.stats.bootstrap(
            (values,), np.mean, method="BCa", n_resamples=5000, random_state=2
        ).confidence_interval
        assert one.value == pytest.approx(values.mean())
        assert (one.low, one.high) == pytest.approx(expected, abs=0.06 * np.ptp(expected) + 1e-4)
        test = scipy.stats.permutation_test(
            (values,), np.mean, permutation_type="samples", n_resamples=5000, random_state=3
        )
        assert one.p == pytest.approx(test.pvalue, abs=0.05)


def test_a_planted_difference_is_found_and_noise_is_not(scores):
    planted, noise, *_ = paired_differences(scores, PAIRS, np.random.default_rng(1))
    assert 0.03 < planted.low < planted.value < planted.high < 0.06
    assert planted.adjusted_p < 0.01
    assert planted.first_higher > 0.95
    assert noise.low < 0 < noise.high
    assert noise.adjusted_p > 0.05


def test_adjusted_p_values_are_never_below_their_own_and_grow_with_their_number(scores):
    found = paired_differences(scores, PAIRS, np.random.default_rng(1))
    assert all(one.adjusted_p >= one.p for one in found)
    smallest = min(found, key=lambda one: one.p)
    assert smallest.adjusted_p == pytest.approx(min(1, smallest.p * len(found)))


def test_exchanging_a_pair_turns_its_sign_and_nothing_else(scores):
    (one,) = paired_differences(scores, [("better", "base")], np.random.default_rng(1))[:1]
    (other,) = paired_differences(scores, [("base", "better")], np.random.default_rng(1))[:1]
    assert other.value == -one.value
    assert (other.p, other.first_higher) == (one.p, pytest.approx(1 - one.first_higher))
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), rel=0.02)


def test_a_copy_differs_by_nothing_for_certain(scores):
    copied = {"a": scores["base"], "b": scores["base"]}
    for one in paired_differences(copied, [("a", "b")], np.random.default_rng(1)):
        assert (one.value, one.low, one.high, one.p, one.adjusted_p) == (0, 0, 0, 1, 1)
        assert one.first_higher == 0.5


def test_systems_have_the_intervals_of_the_bootstrap_over_images(scores):
    found = system_intervals(scores, np.random.default_rng(1))
    assert found.keys() == {(system, metric) for system in scores for metric in ("PixCorr", "SSIM")}
    interval = found["base", "PixCorr"]
    values = scores["base"]["PixCorr"]
    half_width = 1.96 * values.std(ddof=1) / 200**0.5
    assert interval.value == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx(
        (values.mean() - half_width, values.mean() + half_width), abs=0.006
    )


def test_one_image_is_refused(scores):
    one = {system: {"PixCorr": of_metric["PixCorr"][:1]} for system, of_metric in scores.items()}
    with pytest.raises(ValueError, match="1 image is common"):
        paired_differences(one, PAIRS, np.random.default_rng(1))

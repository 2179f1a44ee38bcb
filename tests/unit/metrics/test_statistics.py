import numpy as np
import pytest
import scipy.stats
import torch

from mindeye.metrics.statistics import (
    bootstrap_interval,
    difference_row,
    metric_row,
    paired_difference_interval,
    permutation_null,
    permutation_p,
    proportion_interval,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_the_bootstrap_is_scipys(method):
    values = rng().exponential(size=60)
    ours = bootstrap_interval(values, rng(1), method=method)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method=method, rng=rng(2)
    ).confidence_interval
    # Two runs of 10,000 resamples differ by about 0.005 standard deviations at the ends.
    np.testing.assert_allclose(ours[1:], theirs, atol=0.02 * values.std())
    assert ours.value == pytest.approx(values.mean())


def test_a_biased_statistic_is_corrected_as_scipy_does():
    values = rng(3).exponential(size=15)
    ours = bootstrap_interval(values, rng(1), statistic=np.std)
    plain = bootstrap_interval(values, rng(1), statistic=np.std, method="percentile")
    theirs = scipy.stats.bootstrap(
        (values,), np.std, n_resamples=10_000, method="BCa", rng=rng(2)
    ).confidence_interval
    np.testing.assert_allclose(ours[1:], theirs, atol=0.05 * values.std())
    assert ours.high > plain.high + 0.1 * values.std()


def test_the_interval_holds_the_value_moves_with_the_data_and_narrows_with_images():
    values = rng().normal(size=100)
    value, low, high = bootstrap_interval(values, rng(1))
    assert low < value < high
    moved = bootstrap_interval(values + 5, rng(1))
    np.testing.assert_allclose(moved, np.array([value, low, high]) + 5)
    wide = bootstrap_interval(values[:20], rng(1))
    assert wide.high - wide.low > 1.5 * (high - low)


def test_the_same_generator_gives_the_same_interval_and_tensors_are_taken():
    values = rng().normal(size=30)
    assert bootstrap_interval(values, rng(1)) == bootstrap_interval(values, rng(1))
    assert bootstrap_interval(torch.from_numpy(values), rng(1)) == bootstrap_interval(
        values, rng(1)
    )


def test_intervals_cover_the_truth_as_often_as_they_say():
    repetitions, covered = 300, 0
    for seed in range(repetitions):
        values = rng(seed).gamma(4.0, size=80)
        _, low, high = bootstrap_interval(values, rng(seed + 1000), resamples=600)
        covered += low <= 4.0 <= high
    # 0.95 with a binomial standard error of 0.0126.
    assert 0.91 <= covered / repetitions <= 0.985


def test_hits_get_the_exact_binomial_interval_that_has_width_at_zero():
    interval = bootstrap_interval(np.zeros(100), rng())
    assert interval.low == 0
    assert 0.03 < interval.high < 0.04
    hits = np.arange(100) < 37
    assert bootstrap_interval(hits.astype(float), rng()) == proportion_interval(37, 100)


@pytest.mark.parametrize("successes", [0, 1, 37, 99, 100])
def test_the_proportion_interval_is_scipys(successes):
    theirs = scipy.stats.binomtest(successes, 100).proportion_ci(method="exact")
    np.testing.assert_allclose(proportion_interval(successes, 100)[1:], theirs, atol=1e-9)


def test_a_paired_difference_sees_what_two_separate_intervals_hide():
    difficulty = rng().normal(size=200)
    first = difficulty + 0.1 + 0.1 * rng(1).normal(size=200)
    second = difficulty + 0.1 * rng(2).normal(size=200)
    paired = paired_difference_interval(first, second, rng())
    assert 0 < paired.low < 0.1 < paired.high
    assert bootstrap_interval(first, rng()).low < bootstrap_interval(second, rng()).high
    swapped = paired_difference_interval(second, first, rng())
    assert swapped.value == pytest.approx(-paired.value)
    assert swapped.high < 0


def test_p_values_are_counted_with_the_observed_one():
    null = np.arange(1.0, 100.0)
    assert permutation_p(1000.0, null) == 0.01
    assert permutation_p(99.0, null) == 0.02
    assert permutation_p(0.0, null) == 1
    assert permutation_p(1.0, null, better="lower") == 0.02


def test_p_values_are_uniform_where_nothing_is_to_be_found():
    p_values = []
    for seed in range(200):
        decoded, shown = rng(seed).normal(size=(2, 12))
        null = permutation_null(
            lambda partner, a=decoded, b=shown: float(a @ b[partner]),
            12,
            rng(seed + 500),
            permutations=99,
        )
        p_values.append(permutation_p(decoded @ shown, null))
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.01


def test_permutations_are_permutations_and_stay_in_their_blocks():
    blocks = np.array([3, 3, 8, 8, 8, 3])
    seen = []
    permutation_null(
        lambda partner: float(seen.append(partner.copy()) or 0), 6, rng(), permutations=40,
        blocks=blocks,
    )  # fmt: skip
    for partner in seen:
        assert sorted(partner) == list(range(6))
        np.testing.assert_array_equal(blocks[partner], blocks)
    assert len({tuple(partner) for partner in seen}) > 15


def test_rows_carry_what_is_needed_to_judge_them():
    first, second = rng().normal(size=(2, 50)) + np.array([[0.8], [0.2]])
    row = metric_row("ours", "PixCorr", first, rng(), chance=0.0, resamples=500)
    assert (row.system, row.metric, row.n, row.chance, row.better) == (
        "ours", "PixCorr", 50, 0.0, "higher",
    )  # fmt: skip
    assert row.low < row.value < row.high
    row = difference_row(("ours", "ridge"), "PixCorr", (first, second), rng(), resamples=500)
    assert row.system == "ours minus ridge"
    assert row.chance == 0
    assert row.value == pytest.approx((first - second).mean())


@pytest.mark.parametrize(
    ("values", "error", "text"),
    [
        (np.array([1.0]), ValueError, "at least two images"),
        (np.zeros(0), ValueError, r"not shape \(0,\)"),
        (
            np.array([1.0, np.nan, 2.0]),
            FloatingPointError,
            r"1 of 3 .* positions \[1\]",
        ),
    ],
)
def test_values_without_an_interval_are_refused(values, error, text):
    with pytest.raises(error, match=text):
        bootstrap_interval(values, rng())


def test_other_misuse_is_refused():
    with pytest.raises(ValueError, match="Unknown bootstrap method `bc`"):
        bootstrap_interval(np.arange(3.0), rng(), method="bc")
    with pytest.raises(ValueError, match="3 and 4 images cannot be paired"):
        paired_difference_interval(np.arange(3.0), np.arange(4.0), rng())
    with pytest.raises(ValueError, match="5 successes of 4 trials"):
        proportion_interval(5, 4)

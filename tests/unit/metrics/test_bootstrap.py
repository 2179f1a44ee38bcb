from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch

from mindeye.metrics.bootstrap import (
    bca_ends,
    bootstrap_intervals,
    resample_counts,
    resampled_means,
)
from mindeye.metrics.statistics import bootstrap_interval, proportion_interval


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def columns() -> dict[str, np.ndarray]:
    return {
        "skewed": rng(1).gamma(2.0, size=60),
        "share": rng(2).beta(4, 0.4, size=60),
        "rank": rng(3).integers(1, 40, size=60).astype(float),
        "hit": (rng(4).random(60) < 0.8).astype(float),
        "constant": np.full(60, 0.1),
    }


def test_all_columns_at_once_have_the_intervals_that_each_has_by_itself():
    found = bootstrap_intervals(columns(), rng(5), medians={"rank"}, resamples=2000)
    for name, values in columns().items():
        one = {"statistic": np.median, "method": "percentile"} if name == "rank" else {}
        alone = bootstrap_interval(values, rng(5), resamples=2000, **one)
        np.testing.assert_allclose(found[name], alone, rtol=1e-12)


def test_the_ends_are_scipys():
    values = rng().exponential(size=60)
    _, low, high = bootstrap_intervals({"one": values}, rng(1))["one"]
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=rng(2)
    ).confidence_interval
    # Two runs of 10,000 resamples differ by about 0.005 standard deviations at the ends.
    np.testing.assert_allclose([low, high], theirs, atol=0.02 * values.std())


@pytest.mark.parametrize("num_images", [7, 8])
def test_medians_are_those_of_the_resampled_images_themselves(num_images):
    values = rng(6).integers(0, 5, size=num_images).astype(float)
    counts = np.concatenate(list(resample_counts(num_images, rng(7), 500)))
    slow = [np.median(np.repeat(values, one.astype(int))) for one in counts]
    found = bootstrap_intervals({"a": values}, rng(7), medians=["a"], resamples=500)["a"]
    np.testing.assert_allclose(found[1:], np.quantile(slow, [0.025, 0.975]))


def test_every_resample_holds_as_many_images_and_all_of_them_alike():
    counts = np.concatenate(list(resample_counts(9, rng(), 4000)))
    assert (counts.sum(1) == 9).all()
    # A binomial of 9 draws with chance 1/9: standard error of the mean 0.015.
    np.testing.assert_allclose(counts.mean(0), 1, atol=0.06)
    np.testing.assert_allclose(counts.var(0), 8 / 9, atol=0.1)


def test_columns_share_their_resamples_so_that_what_is_paired_stays_paired():
    first, second = rng().normal(size=(2, 40))
    means = resampled_means(np.stack([first, second, first - second], axis=1), rng(1), 300)
    np.testing.assert_allclose(means[:, 0] - means[:, 1], means[:, 2], atol=1e-12)


def test_blocks_of_resamples_do_not_change_the_numbers(monkeypatch):
    whole = resampled_means(columns()["skewed"][:, None], rng(1), 50)
    monkeypatch.setattr("mindeye.metrics.bootstrap.DRAWN_BLOCK", 60 * 16)
    np.testing.assert_array_equal(resampled_means(columns()["skewed"][:, None], rng(1), 50), whole)


def test_hits_are_exact_and_constants_without_width():
    found = bootstrap_intervals({**columns(), "none": np.zeros(60)}, rng())
    assert found["hit"] == proportion_interval(int(columns()["hit"].sum()), 60)
    assert found["none"] == proportion_interval(0, 60)
    value, low, high = found["constant"]
    assert low == value == high == pytest.approx(0.1)


def test_a_wider_confidence_is_wider_and_tensors_are_taken():
    values = columns()["skewed"]
    narrow, wide = (
        bootstrap_intervals({"a": torch.from_numpy(values)}, rng(), confidence=level)["a"]
        for level in (0.8, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_intervals_cover_the_truth_as_often_as_they_say():
    """A thousand subjects at once are columns: each is resampled rightly, if not independently."""
    values = rng(1).beta(4, 0.4, size=(100, 1000))
    low, high = bca_ends(values, resampled_means(values, rng(2), 1500))
    # 0.95 with a binomial standard error of 0.007.
    assert 0.93 <= np.mean((low <= 4 / 4.4) & (high >= 4 / 4.4)) <= 0.97


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({}, ValueError, "columns of the same two or more images"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, ValueError, r"'b': \(4,\)"),
        ({"a": np.zeros(1)}, ValueError, "two or more"),
        (
            {"a": np.zeros(3), "b": np.array([0, np.inf, 1])},
            FloatingPointError,
            r"1 of 3 values of `b` .* positions \[1\]",
        ),
    ],
)
def test_columns_without_an_interval_are_refused(given, error, text):
    with pytest.raises(error, match=text):
        bootstrap_intervals(given, rng())


def test_a_median_of_no_column_is_refused():
    ask = partial(bootstrap_intervals, {"a": np.arange(3.0)}, rng())
    with pytest.raises(ValueError, match="The median of `rank` is asked for"):
        ask(medians=["rank"])

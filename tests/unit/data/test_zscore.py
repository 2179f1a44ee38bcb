import numpy as np
import pytest

from mindeye.data.zscore import pooled, require_usable, statistics_of, zscored


def some_betas(num_trials=60, num_voxels=8):
    generator = np.random.default_rng(3)
    return generator.normal(3, 2, (num_trials, num_voxels)).astype(np.float32)


def test_chosen_trials_get_mean_zero_and_standard_deviation_one():
    betas, chosen = some_betas(), np.arange(60) < 40
    before = betas.copy()
    z = zscored(betas, statistics_of(betas, chosen))
    np.testing.assert_allclose(z[chosen].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(z[chosen].std(0, ddof=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(betas, before)


def test_other_trials_do_not_move_the_statistics():
    betas, chosen = some_betas(), np.arange(60) < 40
    other = betas.copy()
    other[40:] += 100
    for first, second in zip(statistics_of(betas, chosen), statistics_of(other, chosen)):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, np.nan])
def test_voxels_without_variance_become_zero(value, dtype):
    betas = some_betas().astype(dtype)
    betas[:, 2] = value
    statistics = statistics_of(betas, np.ones(60, dtype=bool))
    assert np.flatnonzero(~statistics.usable).tolist() == [2]
    assert statistics.std[2] == 0
    z = zscored(betas, statistics)
    assert np.isfinite(z).all()
    assert (z[:, 2] == 0).all()


def test_up_to_one_percent_of_unusable_voxels_is_counted_and_more_refused():
    betas = some_betas(num_voxels=200)
    betas[:, [7, 9]] = 0
    every = np.ones(60, dtype=bool)
    assert require_usable(statistics_of(betas, every), "here") == 2
    betas[:, 11] = 0
    with pytest.raises(ValueError, match=r"here: 3 of 200 voxels .* first \[7, 9, 11\]"):
        require_usable(statistics_of(betas, every), "here")


def test_one_trial_gives_no_statistics():
    with pytest.raises(ValueError, match="1 training trials give no standard deviation"):
        statistics_of(some_betas(), np.arange(60) < 1)


def test_pooled_statistics_are_those_of_all_trials_together():
    betas, parts = some_betas(90).astype(np.float64), (slice(0, 20), slice(20, 50), slice(50, 90))
    betas[20:50] += 5
    each = [statistics_of(betas[one], np.ones(len(betas[one]), dtype=bool)) for one in parts]
    together = pooled(each, [20, 30, 40])
    np.testing.assert_allclose(together.mean, betas.mean(0), rtol=1e-6)
    np.testing.assert_allclose(together.std, betas.std(0, ddof=1), rtol=1e-6)


def test_sessions_without_a_usable_voxel_are_left_out_of_its_pooled_statistics():
    betas = some_betas()
    betas[:30, 2] = 0
    betas[:, 5] = 0
    every = np.ones(30, dtype=bool)
    together = pooled(
        [statistics_of(betas[:30], every), statistics_of(betas[30:], every)], [30, 30]
    )
    np.testing.assert_allclose(together.mean[2], betas[30:, 2].mean(), rtol=1e-6)
    np.testing.assert_allclose(together.std[2], betas[30:, 2].std(ddof=1), rtol=1e-6)
    assert np.flatnonzero(~together.usable).tolist() == [5]

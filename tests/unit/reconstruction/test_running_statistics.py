import numpy as np
import pytest

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.scan import SavedScan, zscored_scan
from mindeye.data.scans.table import counted_trials
from mindeye.data.zscore import statistics_of, zscored
from mindeye.reconstruction.running_statistics import (
    RunningStatistics,
    running_zscored,
    zscored_trial,
)


def over(betas: np.ndarray) -> RunningStatistics:
    found = RunningStatistics.empty(betas.shape[1])
    for trial in betas:
        found = found.with_trial(trial)
    return found


def scan_of(betas: np.ndarray) -> SavedScan:
    trials = counted_trials(len(betas))
    return SavedScan(betas=betas, units="psc", trials=trials, form="array", files=())


@pytest.fixture
def betas() -> np.ndarray:
    return np.random.default_rng(0).normal(3, 2, (30, 6)).astype(np.float32)


@pytest.fixture
def bundle(tiny_prepared) -> VoxelBundle:
    return VoxelBundle.load(tiny_prepared / "bundle")


def test_statistics_of_trials_one_by_one_are_those_of_all_at_once(betas):
    expected = statistics_of(betas, np.ones(30, dtype=bool))
    found = over(betas).statistics
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(found.std, expected.std, rtol=1e-6)


def test_statistics_far_from_zero_keep_their_digits(betas):
    found = over((betas + 1e5).astype(np.float32)).statistics
    np.testing.assert_allclose(
        found.std, (betas + 1e5).astype(np.float32).std(0, ddof=1, dtype=np.float64), rtol=1e-6
    )


def test_values_that_are_not_finite_are_left_out_voxel_by_voxel(betas):
    broken = betas.copy()
    broken[3, 1], broken[7, 1] = np.nan, np.inf
    found = over(broken).statistics
    kept = np.delete(betas[:, 1], [3, 7])
    assert found.mean[1] == pytest.approx(kept.mean(), rel=1e-6)
    assert found.std[1] == pytest.approx(kept.std(ddof=1), rel=1e-6)


def test_a_constant_voxel_is_unusable_and_the_argument_stays_as_it_was(betas):
    betas[:, 2] = 0.3
    start = RunningStatistics.empty(6)
    assert over(betas).statistics.std[2] == 0
    start.with_trial(betas[0])
    assert not start.counts.any()
    assert not start.mean.any()


def test_a_trial_is_zscored_by_all_trials_up_to_and_with_itself(bundle):
    betas = np.random.default_rng(1).normal(3, 2, (9, bundle.num_voxels)).astype(np.float32)
    found, by = zscored_trial(
        betas[8], 8, over(betas), bundle, statistics="running", units="psc", warm_up=5
    )
    expected = zscored(betas, statistics_of(betas, np.ones(9, dtype=bool)))[8]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert by == "running"


def test_a_warm_up_takes_the_statistics_of_the_training(bundle):
    betas = np.random.default_rng(1).normal(3, 2, (22, bundle.num_voxels)).astype(np.float32)
    found, by = running_zscored(scan_of(betas), bundle)
    assert by == ["train"] * 20 + ["running"] * 2
    expected = zscored_scan(scan_of(betas), bundle, statistics="train")
    assert np.array_equal(found[:20], expected[:20])
    assert not np.allclose(found[20:], expected[20:], atol=0.1)

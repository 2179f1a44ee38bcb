import dataclasses

import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan, zscored_scan


def only_failed(results):
    """The one check that failed."""
    (failed,) = [one for one in results.values() if one.status == "failed"]
    return failed


def zscores(betas):
    return (betas - betas.mean(0)) / betas.std(0, ddof=1)


def spoilt(betas, count, value):
    betas = betas.copy()
    betas[:, :count] = value
    return betas


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 3.0])
def test_one_percent_of_unusable_voxels_is_filled_and_more_are_refused(brain, verdict, value):
    few = brain.bundle.num_voxels // 100
    assert few == 1
    result = verdict(spoilt(brain.betas, few, value))["unusable voxels"]
    assert result.status == "passed"
    assert "filled with the training mean" in result.advice
    failed = only_failed(verdict(spoilt(brain.betas, few + 1, value)))
    assert failed.name == "unusable voxels"
    assert f"2 of {brain.bundle.num_voxels} voxels" in failed.seen


def test_unusable_voxels_are_told_by_area(brain, verdict):
    v1 = brain.bundle.roi_of_voxels()["V1"]
    betas = np.where(v1, np.float32(np.nan), brain.betas)
    assert f"(V1 {int(v1.sum())})" in only_failed(verdict(betas)).seen


@pytest.mark.parametrize("statistics", ["train", "own"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 3.0])
def test_unusable_voxels_are_0_after_z_scoring(brain, tmp_path, value, statistics):
    np.save(tmp_path / "betas.npy", spoilt(brain.betas, 1, value))
    scan = read_scan([tmp_path / "betas.npy"], brain.bundle)
    z = zscored_scan(scan, brain.bundle, statistics=statistics)
    assert (z[:, 0] == 0).all()
    assert (z[:, 1:] != 0).all()
    np.save(tmp_path / "many.npy", spoilt(brain.betas, 2, value))
    with pytest.raises(ValueError, match="are constant or not finite"):
        zscored_scan(
            read_scan([tmp_path / "many.npy"], brain.bundle), brain.bundle, statistics=statistics
        )


@pytest.mark.parametrize(
    ("num_trials", "message"),
    [(19, "own 19 trials are too few"), (49, "49 trials, all seen at once (rough: 50"), (50, "50")],
)
def test_the_own_statistics_of_few_trials_are_refused_or_called_rough(
    brain, verdict, num_trials, message
):
    result = verdict(brain.betas[:num_trials])["normalisation"]
    assert result.status == "passed"
    assert message in result.seen
    assert ("rough" in result.seen) == (20 <= num_trials < 50)


def test_what_a_model_of_percent_takes_is_percent(brain, tmp_path):
    bundle = dataclasses.replace(brain.bundle, zscore="none")
    np.save(tmp_path / "betas.npy", spoilt(brain.betas, 1, np.nan))
    scan = read_scan([tmp_path / "betas.npy"], bundle)
    expected = brain.betas.copy()
    expected[:, 0] = bundle.mean_map[0]
    np.testing.assert_array_equal(zscored_scan(scan, bundle, statistics="train"), expected)
    with pytest.raises(ValueError, match="trained on percent signal change, without z-scores"):
        zscored_scan(scan, bundle, statistics="own")


def test_z_scored_betas_are_taken_as_they_are(brain, tmp_path):
    np.save(tmp_path / "z.npy", zscores(brain.betas))
    scan = read_scan([tmp_path / "z.npy"], brain.bundle, units="z")
    for statistics in ("train", "own"):
        z = zscored_scan(scan, brain.bundle, statistics=statistics)
        np.testing.assert_array_equal(z, zscores(brain.betas))

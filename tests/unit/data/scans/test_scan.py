import dataclasses

import numpy as np
import pytest

from mindeye.data.scans.results import CHECKS, RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan, zscored_scan


@pytest.fixture
def npy(brain, tmp_path):
    """Trials x voxels, in the model's order."""
    np.save(tmp_path / "betas.npy", brain.betas)
    return tmp_path / "betas.npy"


@pytest.fixture
def nifti(brain, tmp_path, write_nifti):
    return write_nifti(tmp_path / "betas.nii.gz", brain.volumes)


@pytest.fixture
def mask(brain, tmp_path, write_nifti):
    return write_nifti(tmp_path / "mask.nii.gz", brain.mask.astype(np.int16))


def test_a_volume_and_an_array_of_one_scan_are_the_same_betas(brain, npy, nifti, mask):
    from_volume = read_scan([nifti], brain.bundle, mask=mask)
    from_array = read_scan([npy], brain.bundle, mask=mask)
    np.testing.assert_array_equal(from_volume.betas, brain.betas)
    np.testing.assert_array_equal(from_array.betas, brain.betas)
    assert (from_volume.units, from_volume.form) == ("psc", "4-D NIfTI")
    assert from_volume.files == (nifti,)
    assert len(from_volume.trials) == len(brain.betas)


def test_a_good_scan_passes_all_checks_in_their_order_but_the_last_which_needs_a_decoder(
    brain, nifti, mask
):
    results = check_scan(read_scan([nifti], brain.bundle, mask=mask), brain.bundle)
    assert tuple(one.name for one in results) == CHECKS
    assert len(CHECKS) == 12
    # Without a table there are no images to count repeats of.
    statuses = ["passed"] * 8 + ["skipped"] * 2 + ["passed", "skipped"]
    assert [one.status for one in results] == statuses, results


def test_the_reading_is_before_z_scoring_and_training_statistics_make_z_of_it(brain, npy):
    scan = read_scan([npy], brain.bundle)
    expected = (brain.betas - brain.bundle.mean_map) / brain.bundle.std[0]
    z = zscored_scan(scan, brain.bundle, statistics="train")
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(scan.betas, brain.betas)


def test_training_statistics_take_the_root_mean_variance_of_the_sessions_that_have_one(brain, npy):
    std = brain.bundle.std.copy()
    std[1] *= 2
    std[0, 3] = 0
    bundle = dataclasses.replace(brain.bundle, std=std)
    z = zscored_scan(read_scan([npy], bundle), bundle, statistics="train")
    pooled = brain.bundle.std[0] * np.sqrt((1 + 4) / 2)
    pooled[3] = 2 * brain.bundle.std[0, 3]
    expected = (brain.betas - bundle.mean_map) / pooled
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-5)


def test_own_statistics_give_mean_0_and_standard_deviation_1(brain, npy):
    scan = read_scan([npy], brain.bundle)
    z = zscored_scan(scan, brain.bundle, statistics="own")
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0, ddof=1), 1, atol=1e-5)


def test_few_trials_have_no_statistics_of_their_own_but_can_use_the_trainings(brain, tmp_path):
    np.save(tmp_path / "few.npy", brain.betas[:19])
    scan = read_scan([tmp_path / "few.npy"], brain.bundle)
    with pytest.raises(ValueError, match=r"own 19 trials are too few \(at least 20\)"):
        zscored_scan(scan, brain.bundle, statistics="own")
    assert zscored_scan(scan, brain.bundle, statistics="train").shape == (19, scan.betas.shape[1])


def test_unknown_statistics_and_units_are_named(brain, npy):
    with pytest.raises(LookupError, match="Unknown unit `percent`"):
        read_scan([npy], brain.bundle, units="percent")
    with pytest.raises(LookupError, match="Unknown statistics `all`"):
        zscored_scan(read_scan([npy], brain.bundle), brain.bundle, statistics="all")


def test_a_refusal_carries_the_checks_that_were_made(brain, tmp_path):
    np.save(tmp_path / "short.npy", brain.betas[:, 1:])
    with pytest.raises(RefusedScanError, match=r"short.npy: Subject 1 has \d+ voxels") as caught:
        read_scan([tmp_path / "short.npy"], brain.bundle)
    assert caught.value.results[-1].name == "voxel count"

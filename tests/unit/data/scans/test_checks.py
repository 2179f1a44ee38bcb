import dataclasses
import re

import h5py
import numpy as np
import pytest

from mindeye.data.scans.checks import check_header


def only_failed(results):
    """The one check that failed."""
    (failed,) = [one for one in results.values() if one.status == "failed"]
    return failed


def test_another_subject_of_the_same_count_and_mask_is_refused(brain, verdict):
    rng = np.random.default_rng(8)
    other = brain.betas[:, rng.permutation(brain.bundle.num_voxels)]
    failed = only_failed(verdict(other))
    assert failed.name == "mean map"
    assert "another subject, are its voxels in another order, or is it misregistered" in (
        failed.advice
    )


def test_another_persons_brain_on_the_same_grid_is_refused(other_brain, verdict, volume):
    assert only_failed(verdict(volume(other_brain.volumes))).name == "mean map"


def test_the_order_of_hdf5_is_named(brain, tmp_path, verdict, mask_of):
    with h5py.File(tmp_path / "reversed.h5", "w") as file:
        file["volumes"] = brain.volumes.transpose(3, 2, 1, 0)
        walked = file["volumes"][:][:, brain.mask.T]
    failed = only_failed(verdict(walked))
    assert failed.name == "mean map"
    assert "the same voxels stand in another order, zyx with the first slowest" in failed.seen
    # A mask cannot see it: the set of voxels is the same.
    mask = mask_of(brain.mask.astype(np.int16))
    assert only_failed(verdict(walked, mask=mask)).name == "mean map"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_whose_data_are_flipped_under_the_same_header_is_named(
    brain, verdict, volume, axis
):
    failed = only_failed(verdict(volume(np.flip(brain.volumes, axis))))
    assert failed.name == "mean map"
    assert f"with its {'xyz'[axis]} axis flipped it would fit" in failed.seen


def test_a_flipped_volume_is_named_though_a_symmetric_brain_correlates_with_its_mirror(
    brain, verdict, volume
):
    mean = brain.volumes.mean(-1)
    noise = brain.volumes - mean[..., None]
    nearly = np.float32(0.5) * np.flip(mean, 0) + mean
    where = tuple(brain.bundle.coordinates.T.astype(int))
    bundle = dataclasses.replace(brain.bundle, mean_map=nearly[where])
    scan = nearly[..., None] + noise
    assert verdict(volume(scan), bundle)["mean map"].status == "passed"
    failed = only_failed(verdict(volume(np.flip(scan, 0)), bundle))
    assert "with its x axis flipped it would fit" in failed.seen
    assert float(re.search(r"correlates (\S+) with", failed.seen)[1]) > 0.3


def test_a_single_trial_is_held_to_what_its_noise_allows(brain, verdict):
    results = verdict(brain.betas[:1])
    assert results["mean map"].status == "passed"
    assert results["unusable voxels"].status == "passed"


def test_the_header_tells_the_number_format_and_that_doubles_were_cast(brain, verdict, volume):
    result = verdict(brain.betas.astype(np.float64))["header"]
    assert "60 trials of float64, cast once to float32" in result.seen
    assert "repetition time" in verdict(volume())["header"].seen
    assert check_header("float32", {}, 0).status == "failed"

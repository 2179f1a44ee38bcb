"""Each of the twelve checks fails on what it is there for, by name, and on nothing else."""

import dataclasses
import re

import h5py
import numpy as np
import pytest

from mindeye.data.scans.checks import check_header
from mindeye.data.scans.predictions import check_predictions
from mindeye.data.scans.results import CHECKS, RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan, zscored_scan


@pytest.fixture
def verdict(brain, tmp_path):
    """(betas or path, options) -> check results by name, also of a refused scan."""

    def check(scan, bundle=brain.bundle, **options):
        path = scan
        if isinstance(scan, np.ndarray):
            path = tmp_path / "betas.npy"
            np.save(path, scan)
        try:
            results = check_scan(read_scan([path], bundle, **options), bundle)
        except RefusedScanError as error:
            results = error.results
        return {one.name: one for one in results}

    return check


@pytest.fixture
def volume(brain, tmp_path, write_nifti):
    """(values, file name, other options of a NIfTI) -> path."""

    def write(values=brain.volumes, name="betas.nii.gz", **options):
        return write_nifti(tmp_path / name, values, **options)

    return write


@pytest.fixture
def mask_of(brain, tmp_path, write_nifti):
    """(values, affine) -> path of a mask."""

    def write(values, **options):
        return write_nifti(tmp_path / "mask.nii.gz", values, **options)

    return write


def only_failed(results):
    """The one check that failed."""
    (failed,) = [one for one in results.values() if one.status == "failed"]
    return failed


# 1 voxel count


def test_fewer_or_more_voxels_than_the_models_are_refused(brain, verdict):
    count = brain.bundle.num_voxels
    for betas in (brain.betas[:, :-1], np.pad(brain.betas, [(0, 0), (0, 1)])):
        failed = only_failed(verdict(betas))
        assert failed.name == "voxel count"
        assert f"has {count} voxels in this model but {betas.shape[1]} in this scan" in failed.seen


def test_a_mask_with_another_count_than_the_array_is_refused(brain, verdict, mask_of):
    larger = brain.mask.copy()
    larger[0, 0, 0] = True
    failed = only_failed(verdict(brain.betas, mask=mask_of(larger.astype(np.int16))))
    assert failed.name == "voxel count"
    assert f"{brain.bundle.num_voxels + 1} voxels, but the array" in failed.seen


def test_a_larger_array_is_taken_where_its_mask_says_which_voxels_it_has(brain, tmp_path, mask_of):
    larger = brain.mask.copy()
    larger[1:8, 2] = True
    np.save(tmp_path / "whole.npy", brain.volumes[larger].T)
    scan = read_scan([tmp_path / "whole.npy"], brain.bundle, mask=mask_of(larger.astype(np.uint8)))
    np.testing.assert_array_equal(scan.betas, brain.betas)


# 2 voxel identity


def test_a_mask_of_as_many_voxels_elsewhere_is_refused(brain, verdict, mask_of):
    moved = brain.mask.copy()
    first = tuple(brain.bundle.coordinates[0])
    moved[first], moved[0, 0, 0] = False, True
    failed = only_failed(verdict(brain.betas, mask=mask_of(moved.astype(np.int16))))
    assert failed.name == "voxel identity"
    count = brain.bundle.num_voxels
    assert f"1 of the model's {count} voxels are outside of the mask" in failed.seen


def test_the_mask_of_another_subject_is_refused(brain, other_brain, verdict, volume, mask_of):
    mask = mask_of(other_brain.mask.astype(np.int16))
    failed = only_failed(verdict(volume(), mask=mask))
    assert failed.name in ("voxel identity", "voxel count")
    full = np.ones_like(brain.mask)
    full[0] = brain.mask.any()
    full[tuple(brain.bundle.coordinates[5])] = False
    failed = only_failed(verdict(volume(), mask=mask_of(full.astype(np.int16))))
    assert failed.name == "voxel identity"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mask_with_a_flipped_axis_is_named(brain, verdict, volume, mask_of, axis):
    flipped = mask_of(np.flip(brain.mask, axis).astype(np.int16))
    failed = only_failed(verdict(volume(), mask=flipped))
    assert failed.name == "voxel identity"
    assert f"the model's with its {'xyz'[axis]} axis flipped" in failed.seen


def test_columns_that_neither_mask_nor_mean_map_identify_are_refused(brain, verdict, mask_of):
    z = (brain.betas - brain.betas.mean(0)) / brain.betas.std(0)
    failed = only_failed(verdict(z, units="z"))
    assert failed.name == "voxel identity"
    mask = mask_of(brain.mask.astype(np.int16))
    assert verdict(z, units="z", mask=mask)["voxel identity"].status == "passed"


def test_the_models_voxels_are_found_in_whatever_order_its_bundle_has_them(brain, volume, mask_of):
    order = np.random.default_rng(3).permutation(brain.bundle.num_voxels)
    names = ("coordinates", "mean_map", "ncsnr")
    arrays = {name: getattr(brain.bundle, name)[order] for name in names}
    arrays |= {name: getattr(brain.bundle, name)[:, order] for name in ("mean", "std")}
    labels = {"prf-visualrois": brain.bundle.label_of_voxel["prf-visualrois"][order]}
    bundle = dataclasses.replace(brain.bundle, **arrays, label_of_voxel=labels)
    mask = mask_of(brain.mask.astype(np.int16))
    np.testing.assert_array_equal(
        read_scan([volume()], bundle, mask=mask).betas, brain.betas[:, order]
    )


# 3 grid


def changed(affine, **values):
    affine = affine.copy()
    for place, value in values.items():
        affine[int(place[1]), int(place[2])] = value
    return affine


@pytest.mark.parametrize(
    ("options", "name", "message"),
    [
        ({"affine": {"_03": -8.01}}, "betas.nii.gz", "differs from the model's by up to 0.01"),
        (
            {"affine": {"_00": -2.0, "_03": 8.0}},
            "betas.nii.gz",
            "has axes LAS, but the model has R",
        ),
        ({"code": 0}, "betas.nii.gz", r"does not say where its voxels lie \(qform and sform are 0"),
        ({}, "sub-1_space-T1w_betas.nii.gz", "says space T1w, but the model was trained in func1p"),
    ],
)
def test_a_volume_on_another_grid_is_refused(brain, verdict, volume, options, name, message):
    if "affine" in options:
        options = {"affine": changed(brain.bundle.affine, **options["affine"])}
    failed = only_failed(verdict(volume(name=name, **options)))
    assert failed.name == "grid"
    assert re.search(message, failed.seen)


def test_a_volume_of_another_shape_is_refused(verdict, volume, brain):
    failed = only_failed(verdict(volume(brain.volumes[:-1])))
    assert failed.name == "grid"
    assert "has grid (8, 8, 7), but the model has (9, 8, 7)" in failed.seen


def test_a_template_space_of_a_similar_name_is_another_one(brain, verdict, volume):
    bundle = dataclasses.replace(brain.bundle, space="MNI152NLin6Asym")
    path = volume(name="sub-1_space-MNI152NLin2009cAsym_betas.nii.gz")
    assert only_failed(verdict(path, bundle)).name == "grid"
    right = volume(name="sub-1_space-MNI152NLin6Asym_betas.nii.gz")
    assert verdict(right, bundle)["grid"].status == "passed"


def test_a_mask_on_another_grid_than_the_volume_is_refused(brain, verdict, volume, mask_of):
    smaller = mask_of(brain.mask[:-1].astype(np.int16))
    failed = only_failed(verdict(volume(), mask=smaller))
    assert (failed.name, "mask.nii.gz has grid (8, 8, 7)" in failed.seen) == ("grid", True)
    moved = mask_of(brain.mask.astype(np.int16), affine=brain.bundle.affine + np.eye(4)[0])
    failed = only_failed(verdict(volume(), mask=moved))
    assert (failed.name, "The affines of the mask" in failed.seen) == ("grid", True)


# 4 mask values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda mask: mask * 0.7, "holds values that are no whole numbers"),
        (lambda mask: np.where(mask, np.nan, 0), "holds values that are no whole numbers"),
        (lambda mask: mask * 0.0, "is empty: no value is above 0"),
        (lambda mask: mask - 2.0, "is empty: no value is above 0"),
        (lambda mask: np.where(mask, 1 + np.arange(7.0) // 4, 0), "holds 2 labels, 1 to 2"),
    ],
)
def test_a_mask_that_marks_no_voxels_plainly_is_refused(
    brain, verdict, volume, mask_of, change, message
):
    mask = mask_of(change(brain.mask).astype(np.float32))
    for scan in (volume(), brain.betas):
        failed = only_failed(verdict(scan, mask=mask))
        assert failed.name == "mask values"
        assert message in failed.seen


def test_an_roi_volume_with_minus_one_is_a_mask_of_what_is_above_0(brain, verdict, mask_of):
    roi = np.where(brain.mask, 1.0, -1.0)
    roi[0] = 0
    values = verdict(brain.betas, mask=mask_of(roi))["mask values"]
    assert values.status == "passed"
    assert f"{int((roi < 0).sum())} voxels are below 0" in values.seen


# 5 unusable voxels


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


# 6 units


def zscores(betas):
    return (betas - betas.mean(0)) / betas.std(0, ddof=1)


WRONG_UNITS = [
    (lambda betas: betas * 300, "this looks like stored int16", "Pass --units nsd-int16"),
    (lambda betas: betas / 300, "divided by 300 once too often", "Pass --units psc"),
    (lambda betas: betas * 12 + 900, "raw BOLD, a signal and no betas", "Estimate betas first"),
    (lambda betas: betas * 10, "no percent signal change as the model knows it", "Only psc"),
]


@pytest.mark.parametrize(("change", "seen", "advice"), WRONG_UNITS)
@pytest.mark.parametrize("num_trials", [60, 1])
@pytest.mark.parametrize("units", [None, "psc"])
def test_betas_in_another_unit_than_said_are_refused_by_name(
    brain, verdict, change, seen, advice, num_trials, units
):
    failed = only_failed(verdict(change(brain.betas[:num_trials]), units=units))
    assert failed.name == "units"
    assert seen in failed.seen
    assert advice in failed.advice


@pytest.mark.parametrize("num_trials", [60, 5])
def test_z_scored_betas_are_refused_as_percent_and_percent_as_z(brain, verdict, num_trials):
    z = zscores(brain.betas)[:num_trials]
    for units in (None, "psc"):
        failed = only_failed(verdict(z, units=units))
        assert (failed.name, "z-scored already" in failed.seen) == ("units", True)
    failed = only_failed(verdict(brain.betas[:num_trials], units="z"))
    assert (failed.name, failed.advice) == ("units", "Pass --units psc.")


def test_stored_integers_are_divided_when_they_are_said_and_refused_when_they_are_none(
    brain, verdict, tmp_path
):
    np.save(tmp_path / "raw.npy", np.rint(brain.betas * 300).astype(np.int16))
    scan = read_scan([tmp_path / "raw.npy"], brain.bundle, units="nsd-int16")
    np.testing.assert_allclose(scan.betas, brain.betas, atol=1 / 600 + 1e-4)
    assert scan.units == "nsd-int16"
    failed = only_failed(verdict(brain.betas, units="nsd-int16"))
    assert (failed.name, "once too often" in failed.seen) == ("units", True)


def test_a_model_that_knows_no_statistics_needs_the_unit_said(brain, verdict):
    unknown = dataclasses.replace(
        brain.bundle,
        mean=brain.bundle.mean[:0],
        std=brain.bundle.std[:0],
        mean_map=np.full_like(brain.bundle.mean_map, np.nan),
        shape=None,
        affine=None,
        coordinates=None,
    )
    failed = only_failed(verdict(brain.betas, unknown))
    assert (failed.name, "Pass --units" in failed.advice) == ("units", True)
    results = verdict(brain.betas, unknown, units="psc")
    assert [results[name].status for name in ("units", "mean map")] == ["skipped"] * 2
    assert results["normalisation"].seen == "Only the scan's own 60 trials can z-score it."
    assert only_failed(verdict(brain.betas[:19], unknown, units="psc")).name == "normalisation"


def test_a_model_whose_percent_is_z_cannot_tell_the_two_apart(brain, verdict):
    ones = np.ones_like(brain.bundle.std)
    bundle = dataclasses.replace(
        brain.bundle, mean=0 * ones, std=ones, mean_map=0 * ones[0] + 1e-3 * brain.bundle.mean_map
    )
    failed = only_failed(verdict(zscores(brain.betas), bundle))
    assert (failed.name, failed.advice) == ("units", "Pass --units psc or --units z.")


# 7 normalisation


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


# 8 mean map


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


# 11 header, 12 predictions


def test_the_header_tells_the_number_format_and_that_doubles_were_cast(brain, verdict, volume):
    result = verdict(brain.betas.astype(np.float64))["header"]
    assert "60 trials of float64, cast once to float32" in result.seen
    assert "repetition time" in verdict(volume())["header"].seen
    assert check_header("float32", {}, 0).status == "failed"


def test_predictions_that_are_one_picture_or_not_finite_fail_and_others_pass():
    rng = np.random.default_rng(0)
    null = rng.normal(size=(20, 16))
    same = np.tile(rng.normal(size=16), (20, 1)) + 1e-4 * null
    assert check_predictions(same, null).status == "failed"
    assert "decoded as one picture" in check_predictions(same, null).advice
    broken = null.copy()
    broken[3, 2] = np.nan
    assert "predictions of 1 of 20 trials are not finite" in check_predictions(broken, null).seen
    passed = check_predictions(null, rng.normal(size=(20, 16)))
    assert passed.status == "passed"
    assert "Compare the pictures with the null's" in passed.advice
    assert passed.name == CHECKS[11]


def test_repeats_must_be_more_alike_than_different_images():
    rng = np.random.default_rng(1)
    images = np.repeat(np.arange(10), 3)
    embeddings = rng.normal(size=(10, 32))[images] + 0.5 * rng.normal(size=(30, 32))
    null = rng.normal(size=(30, 32))
    assert check_predictions(embeddings, null, images.tolist()).status == "passed"
    # A table that belongs to another scan: trials of "one image" are those that differ most.
    turned = np.concatenate([embeddings, -embeddings])
    failed = check_predictions(turned, np.tile(null, (2, 1)), [*range(30), *range(30)])
    assert failed.status == "failed"
    assert "does the table belong to this scan" in failed.advice

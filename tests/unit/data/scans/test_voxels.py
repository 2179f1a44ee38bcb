import dataclasses
import re

import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan


def only_failed(results):
    """The one check that failed."""
    (failed,) = [one for one in results.values() if one.status == "failed"]
    return failed


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

"""Masks by label and by set, labels of voxels, and the noise ceiling."""

import nibabel
import numpy as np
import pytest

from mindeye import laion_layout as layout
from mindeye.data.other_datasets.laion_fmri.regions import (
    find_regions,
    labels_of_voxels,
    read_ncsnr,
    read_region,
)

GRID = (4, 5, 3)


def roi_path(root, roi_set, label, subject=1):
    return root / layout.roi_folder(subject) / roi_set / layout.roi_name(subject, label)


@pytest.fixture
def rois(write_volume, tmp_path):
    """Three masks in two sets, one of them under an old name with a hyphen."""
    generator = np.random.default_rng(0)
    masks = {}
    for roi_set, label in (("retinotopy", "V1v"), ("retinotopy", "V1d"), ("face", "FFA-1")):
        masks[label] = generator.random(GRID) < 0.4
        write_volume(roi_path(tmp_path, roi_set, label), masks[label].astype(np.uint8))
    write_volume(tmp_path / layout.roi_folder(1) / "face/other_mask.nii.gz", np.zeros(GRID))
    return tmp_path, masks


def test_masks_are_found_by_label_by_set_and_under_their_old_names(rois):
    root, masks = rois
    assert list(find_regions(root, 1)) == ["face:FFA1", "retinotopy:V1d", "retinotopy:V1v"]
    both = masks["V1v"] | masks["V1d"]
    for roi, expected in (
        ("V1v", masks["V1v"]),
        ("V1v+V1d", both),
        ("retinotopy:V1d", masks["V1d"]),
        ("retinotopy", both),
        ("FFA1", masks["FFA-1"]),
        ("FFA-1", masks["FFA-1"]),
    ):
        np.testing.assert_array_equal(read_region(root, 1, roi).mask, expected)


def test_labels_of_voxels_keep_overlapping_masks_apart(rois):
    root, masks = rois
    region = read_region(root, 1, "retinotopy")
    values, names = labels_of_voxels(root, 1, region)
    assert names == {"FFA1": {1: "FFA1"}, "V1d": {1: "V1d"}, "V1v": {1: "V1v"}}
    for atlas, label in (("FFA1", "FFA-1"), ("V1v", "V1v"), ("V1d", "V1d")):
        np.testing.assert_array_equal(values[atlas] > 0, masks[label][region.mask])


def test_a_region_that_is_not_there_is_refused_with_the_likely_one(rois, write_volume):
    root, _ = rois
    with pytest.raises(LookupError, match=r"no ROI `V1x`; there are FFA1.*Did you mean `V1v`"):
        read_region(root, 1, "V1x")
    with pytest.raises(LookupError, match=r"no set of ROIs `prf`. Pick one of face, retinotopy"):
        read_region(root, 1, "prf:V1v")
    write_volume(roi_path(root, "motion", "V1v"), np.ones(GRID, dtype=np.uint8))
    with pytest.raises(LookupError, match=r"Say which: motion:V1v or retinotopy:V1v"):
        read_region(root, 1, "V1v")
    assert read_region(root, 1, "motion:V1v").mask.all()
    write_volume(roi_path(root, "motion", "MT"), np.zeros(GRID, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"`MT` has no voxel in sub-01"):
        read_region(root, 1, "MT")
    with pytest.raises(FileNotFoundError, match=r"sub-03 holds no mask such as"):
        read_region(root, 3, "V1v")


def test_masks_of_one_region_must_lie_on_one_grid(rois, write_volume):
    root, _ = rois
    path = roi_path(root, "retinotopy", "V1d")
    moved = nibabel.load(path).affine
    moved[2, 3] -= 3
    write_volume(path, np.ones(GRID, dtype=np.uint8), moved)
    with pytest.raises(ValueError, match=r"V1v_mask.nii.gz: its affine differs"):
        read_region(root, 1, "retinotopy")


def test_ncsnr_is_what_gives_the_published_noise_ceiling(rois, write_volume):
    root, _ = rois
    region = read_region(root, 1, "retinotopy")
    assert read_ncsnr(root, 1, region) is None
    ceiling = np.random.default_rng(2).uniform(0, 95, GRID).astype(np.float32)
    path = write_volume(root / layout.noise_ceiling_path(1), ceiling)
    squared = read_ncsnr(root, 1, region).astype(np.float64) ** 2
    np.testing.assert_allclose(
        100 * squared / (squared + 1 / 4), ceiling[region.mask], rtol=1e-5, atol=1e-5
    )
    write_volume(path, ceiling / 100)
    with pytest.raises(ValueError, match=r"a percentage from 0 to 100"):
        read_ncsnr(root, 1, region)

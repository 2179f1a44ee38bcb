"""Masks and maps that do not belong to the subject, to the grid or to the betas."""

import shutil

import nibabel
import numpy as np

from mindeye.data.doctor.subject import map_checks
from mindeye.data.nsd import NSDTree


def found(tree):
    checks, _ = map_checks(NSDTree(tree.root), 1)
    return {check.name: check for check in checks}


def test_maps_of_a_whole_tree_are_right(whole_tree):
    checks, mask = map_checks(NSDTree(whole_tree.root), 1)
    assert {check.state for check in checks if check.name != "regions"} == {"ok"}
    np.testing.assert_array_equal(mask, whole_tree.mask())


def test_an_affine_other_than_the_placeholder_is_wrong_and_shown(whole_tree):
    path = whole_tree.functional / "roi" / "streams.nii.gz"
    image = nibabel.load(path)
    flipped = image.affine * np.array([[-1], [1], [1], [1]])
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), flipped), path)
    checks = found(whole_tree)
    assert checks["affine of streams"].state == "wrong"
    assert checks["affine of streams"].seen.startswith("diagonal [-1.8, 1.8, 1.8]")
    assert checks["affine of streams"].expected.endswith("shift [-7.2, -6.3, -5.4]")
    assert "affine: centred on the slab" not in checks


def test_nsdgeneral_outside_of_the_brain_is_wrong(whole_tree, rewrite_volume):
    path = whole_tree.functional / "brainmask.nii.gz"
    brain = np.ones(whole_tree.mask().shape, np.int16)
    brain[tuple(np.argwhere(whole_tree.mask())[:3].T)] = 0
    rewrite_volume(path, brain)
    assert found(whole_tree)["brain mask holds nsdgeneral"].seen == "3 voxels outside"
    rewrite_volume(path, brain[1:])
    check = found(whole_tree)["brain mask holds nsdgeneral"]
    assert (check.state, check.seen) == ("wrong", "(8, 8, 7)")


def test_an_atlas_of_another_grid_and_a_cut_one_are_named(whole_tree, rewrite_volume):
    path = whole_tree.functional / "roi" / "streams.nii.gz"
    rewrite_volume(path, np.zeros((3, 4, 5)))
    assert "Atlas `streams` has grid (3, 4, 5)" in found(whole_tree)["nsdgeneral"].seen
    path.write_bytes(path.read_bytes()[:100])
    check = found(whole_tree)["nsdgeneral"]
    assert check.state == "wrong"
    assert "streams.nii.gz cannot be read" in check.seen


def test_a_noise_ceiling_copied_from_another_version_is_wrong(whole_tree):
    other = whole_tree.betas.with_name("betas_fithrf")
    shutil.copytree(whole_tree.betas, other)
    check = found(whole_tree)["noise ceiling of b3"]
    assert (check.state, check.seen) == ("wrong", "the same file as b2's")
    (other / "ncsnr.nii.gz").unlink()
    checks = found(whole_tree)
    assert checks["noise ceiling of b3"].state == "ok"
    assert checks["noise ceilings"].paths[0].as_posix().endswith("betas_fithrf/ncsnr.nii.gz")


def test_a_map_that_can_be_no_noise_ceiling_is_wrong(whole_tree, rewrite_volume):
    path = whole_tree.betas / "ncsnr.nii.gz"
    values = np.full(whole_tree.mask().shape, 0.5, np.float32)
    values[whole_tree.mask()] = np.where(np.arange(whole_tree.mask().sum()) % 2, np.nan, 0.5)
    rewrite_volume(path, values)
    check = found(whole_tree)["noise ceiling of b3"]
    assert check.state == "wrong"
    assert check.seen.startswith("0.500 to 0.500, NaN in ")

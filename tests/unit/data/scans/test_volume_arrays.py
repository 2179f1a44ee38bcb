import h5py
import numpy as np
import pytest

from mindeye.data.scans.results import RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan


@pytest.fixture
def array(brain, tmp_path):
    """(values) -> path of a GLMsingle output in the form of a volume, which has no affine."""

    def write(values=brain.volumes):
        with h5py.File(tmp_path / "TYPEB_FITHRF.hdf5", "w") as file:
            file["betasmd"] = values
        return tmp_path / "TYPEB_FITHRF.hdf5"

    return write


def results_of(path, bundle, **options):
    results = check_scan(read_scan([path], bundle, **options), bundle)
    return {one.name: one for one in results}


def test_an_array_of_another_shape_is_refused_once_by_name(brain, array):
    path = array(brain.volumes[:, 1:])
    with pytest.raises(RefusedScanError) as caught:
        read_scan([path], brain.bundle)
    text = str(caught.value)
    assert text.startswith("TYPEB_FITHRF.hdf5 has grid (9, 7, 7), but the model has (9, 8, 7).")


def test_only_a_mask_says_where_an_array_lies(brain, array, tmp_path, write_nifti):
    path = array()
    statuses = {name: results_of(path, brain.bundle)[name].status for name in ("grid", "mean map")}
    assert statuses == {"grid": "skipped", "mean map": "passed"}
    mask = write_nifti(tmp_path / "mask.nii.gz", brain.mask.astype(np.int16))
    results = results_of(path, brain.bundle, mask=mask)
    assert results["grid"].status == results["voxel identity"].status == "passed"
    moved = write_nifti(tmp_path / "moved.nii.gz", brain.mask.astype(np.int16), np.eye(4))
    with pytest.raises(RefusedScanError, match=r"The affine of .* differs from the model's"):
        read_scan([path], brain.bundle, mask=moved)
    smaller = write_nifti(tmp_path / "smaller.nii.gz", brain.mask[1:].astype(np.int16))
    with pytest.raises(RefusedScanError, match=r"smaller\.nii\.gz has grid \(8, 8, 7\)"):
        read_scan([path], brain.bundle, mask=smaller)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_array_with_a_flipped_axis_is_named(brain, array, axis):
    results = results_of(array(np.flip(brain.volumes, axis)), brain.bundle)
    assert results["mean map"].status == "failed"
    assert f"with its {'xyz'[axis]} axis flipped it would fit" in results["mean map"].seen


def test_a_z_scored_array_without_a_mask_could_lie_anywhere(brain, array):
    mean, std = brain.volumes.mean(-1, keepdims=True), brain.volumes.std(-1, keepdims=True)
    results = results_of(array((brain.volumes - mean) / std), brain.bundle, units="z")
    assert results["voxel identity"].status == "failed"
    assert "Pass the mask" in results["voxel identity"].advice

import h5py
import numpy as np
import pytest

from mindeye.data.scans.scan import read_scan


def test_two_arrays_are_not_joined_by_guess(save_array, brain, tmp_path):
    first = save_array(tmp_path, "npy", brain.betas)
    second = save_array(tmp_path, "npz", brain.betas)
    with pytest.raises(ValueError, match="2 files were given"):
        read_scan([first, second], brain.bundle)
    with pytest.raises(ValueError, match="No scan was given"):
        read_scan([], brain.bundle)


def test_nsds_own_hdf5_is_the_same_as_its_nifti(brain, tmp_path, write_nifti):
    raw = np.rint(brain.volumes * 300).astype(np.int16)
    nifti = write_nifti(tmp_path / "betas_session01.nii.gz", raw)
    with h5py.File(tmp_path / "betas_session01.hdf5", "w") as file:
        file.create_dataset("betas", data=raw.transpose(3, 2, 1, 0), chunks=(raw.shape[3], 1, 1, 1))
    scans = [
        read_scan([path], brain.bundle, units="nsd-int16")
        for path in (nifti, tmp_path / "betas_session01.hdf5")
    ]
    np.testing.assert_array_equal(scans[0].betas, scans[1].betas)
    np.testing.assert_allclose(scans[0].betas, brain.betas, atol=1 / 600 + 1e-4)
    assert scans[1].form == "NSD hdf5"


def test_a_folder_that_is_neither_says_so(brain, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LookupError, match="is a folder without GLMsingle's output"):
        read_scan([tmp_path / "empty"], brain.bundle)

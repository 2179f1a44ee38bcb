import h5py
import numpy as np
import pytest
import scipy.io

from mindeye.data.scans.results import RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan


def glmsingle_results(betasmd):
    """What GLMsingle 1.2 keeps beside the betas, in kinds if not in sizes."""
    return {
        "betasmd": betasmd,
        "HRFindex": np.zeros(betasmd.shape[:3]),
        "pcnum": np.int64(3),
        "pcvoxels": np.ones(betasmd.shape[:3], dtype=bool),
        "pcregressors": [np.eye(2), np.eye(3)],
        "noisepool": None,
        "glmbadness": np.asfortranarray(np.ones((2, 3))),
        "names": ["a", ("b", 1.5)],
    }


def save_glmsingle(folder, form, betasmd):
    path = folder / f"TYPED_FITHRF_GLMDENOISE_RR.{form}"
    if form == "npy":
        np.save(path, glmsingle_results(betasmd))
    elif form == "npz":
        np.savez(path, betasmd=betasmd, pcnum=3)
    elif form == "hdf5":
        with h5py.File(path, "w") as file:
            file["betasmd"], file["pcnum"] = betasmd, 3
    else:
        with h5py.File(path, "w") as file:
            file["modelmd"] = betasmd.T
            file["modelmd"].attrs["MATLAB_class"] = np.bytes_("single")
    return path


GLMSINGLE = ("npy", "npz", "hdf5", "mat")


def test_a_damaged_glmsingle_file_is_named(brain, tmp_path):
    np.savez_compressed(tmp_path / "TYPEB_FITHRF.npz", betasmd=brain.volumes)
    (tmp_path / "TYPEB_FITHRF.mat").write_bytes(b"")
    content = bytearray((tmp_path / "TYPEB_FITHRF.npz").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 99] = bytes(99)
    (tmp_path / "TYPEB_FITHRF.npz").write_bytes(content)
    for form in ("npz", "mat"):
        with pytest.raises(ValueError, match=rf"TYPEB_FITHRF\.{form} cannot be read"):
            read_scan([tmp_path / f"TYPEB_FITHRF.{form}"], brain.bundle)


@pytest.mark.parametrize("form", GLMSINGLE)
@pytest.mark.parametrize("as_volume", [True, False])
def test_every_form_of_glmsingles_output_gives_the_same_betas(brain, tmp_path, form, as_volume):
    betasmd = brain.volumes if as_volume else brain.betas.T[:, None, None]
    path = save_glmsingle(tmp_path, form, betasmd)
    scan = read_scan([path], brain.bundle, trust_pickle=True)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert scan.form == "GLMsingle TYPED_FITHRF_GLMDENOISE_RR"
    folder = read_scan([tmp_path], brain.bundle, trust_pickle=True)
    np.testing.assert_array_equal(folder.betas, brain.betas)
    statuses = {one.name: one.status for one in check_scan(scan, brain.bundle)}
    assert "failed" not in statuses.values()


def test_glmsingle_in_an_older_mat_file_is_read_too(brain, tmp_path):
    path = tmp_path / "TYPEB_FITHRF.mat"
    scipy.io.savemat(path, {"modelmd": brain.volumes, "R2": 1.0})
    scan = read_scan([path], brain.bundle)
    np.testing.assert_array_equal(scan.betas, brain.betas)


def test_glmsingle_of_a_whole_brain_needs_the_mask_that_lists_its_voxels(
    brain, tmp_path, write_nifti
):
    larger = brain.mask.copy()
    larger[:, :, 3] = True
    mask = write_nifti(tmp_path / "brain.nii.gz", larger.astype(np.int16))
    path = save_glmsingle(tmp_path, "hdf5", brain.volumes[larger][:, None, None])
    with pytest.raises(RefusedScanError, match=r"needs its own mask"):
        read_scan([path], brain.bundle)
    scan = read_scan([path], brain.bundle, mask=mask)
    np.testing.assert_array_equal(scan.betas, brain.betas)


def test_a_glmsingle_file_without_betas_is_named(brain, tmp_path):
    np.save(tmp_path / "DESIGNINFO.npy", {"designSINGLE": 1})
    with pytest.raises(ValueError, match=r"holds designSINGLE, and no `betasmd`"):
        read_scan([tmp_path / "DESIGNINFO.npy"], brain.bundle, trust_pickle=True)
    path = save_glmsingle(tmp_path, "hdf5", brain.volumes[..., 0])
    with pytest.raises(ValueError, match=r"has betas of shape \(9, 8, 7\)"):
        read_scan([path], brain.bundle)

"""What the doctor says of other spaces and experiments."""

import numpy as np
import pytest
import scipy.io

from mindeye.data.doctor.examine import examine_nsd
from mindeye.nsd_experiments import synthetic_design_path

VERSION = "betas_fithrf_GLMdenoise_RR"


@pytest.fixture
def examined(own_every_space):
    """() -> {name: check} of the tree, which is called made up."""
    (own_every_space.root / "SIMULATED.json").write_text('{"simulated": true}')

    def examine():
        return {check.name: check for check in examine_nsd(own_every_space.root, 1).checks}

    return examine


def test_every_space_and_experiment_is_read(examined, own_every_space):
    found = examined()
    assert not [check for check in found.values() if check.state == "wrong"]
    left, right = (labels > 0 for labels in own_every_space.labels["fsaverage"])
    seen = found["betas_session01 b3 fsaverage"].seen
    assert seen.startswith("mgh, mean")
    assert seen.endswith(f"1 of {left.sum() + right.sum()} without data")
    assert found["betas_session01 b3 nativesurface"].seen.startswith("hdf5, mean")
    assert found["betas_session01 b3 func1mm"].seen.startswith("hdf5 = nii.gz, mean")
    assert found["betas_nsdsynthetic b3 func1pt8mm"].seen.startswith("hdf5 = nii.gz, mean")
    assert found["betas_nsdimagery b3 func1pt8mm"].state == "ok"


def test_fsaverage_times_300_is_wrong(examined, own_every_space, rewrite_mgh):
    folder = own_every_space.root / f"nsddata_betas/ppdata/subj01/fsaverage/{VERSION}"
    for side, values in zip(("lh", "rh"), own_every_space.percent, strict=True):
        rewrite_mgh(folder / f"{side}.betas_session01.mgh", values * np.float32(300))
    check = examined()["betas_session01 b3 fsaverage"]
    assert check.state == "wrong"
    assert "300 times too large" in check.seen


def test_the_noise_ceiling_of_fsaverage_is_looked_at(examined, own_every_space, rewrite_mgh):
    name, folder = "noise ceiling of b3 in fsaverage", "nsddata_betas/ppdata/subj01/fsaverage"
    path = own_every_space.root / folder / VERSION / "lh.ncsnr.mgh"
    values = [
        np.abs(one[mask > 0, 0])
        for one, mask in zip(own_every_space.percent, own_every_space.labels["fsaverage"])
    ]
    low, high = np.nanmin(np.concatenate(values)), np.nanmax(np.concatenate(values))
    assert examined()[name].seen == f"{low:.3f} to {high:.3f}, NaN in 1"
    rewrite_mgh(path, -np.ones(40, np.float32))
    assert examined()[name].state == "wrong"
    path.unlink()
    assert examined()[name].paths[0].name == "lh.ncsnr.mgh"


def test_a_lost_hemisphere_is_named(examined, own_every_space):
    folder = own_every_space.root / f"nsddata_betas/ppdata/subj01/nativesurface/{VERSION}"
    (folder / "rh.betas_session01.hdf5").unlink()
    check = examined()["betas_session01 b3 nativesurface"]
    assert check.state == "wrong"
    assert "rh.betas_session01.hdf5 is missing" in check.seen


def test_betas_without_their_atlas_are_not_read_and_the_atlas_is_named(examined, own_every_space):
    labels = own_every_space.root / "nsddata/freesurfer/fsaverage/label"
    (labels / "rh.nsdgeneral.mgz").unlink()
    found = examined()
    missing = found["nsdgeneral in fsaverage"]
    assert (missing.state, missing.paths[0].name) == ("missing", "rh.nsdgeneral.mgz")
    assert "betas_session01 b3 fsaverage" not in found


def test_a_real_tree_must_have_nsd_s_vertices(own_every_space):
    found = {check.name: check for check in examine_nsd(own_every_space.root, 1).checks}
    assert found["nsdgeneral in fsaverage"].expected == "(163842, 163842)"
    assert found["nsdgeneral in nativesurface"].expected == "(227021, 226601)"
    assert found["nsdgeneral in func1mm"].expected == "(145, 186, 148)"
    assert {found[f"nsdgeneral in {space}"].state for space in ("fsaverage", "func1mm")} == {
        "wrong"
    }


def test_betas_of_nsdsynthetic_ask_for_its_design(examined, own_every_space):
    path = own_every_space.root / synthetic_design_path()
    assert examined()["design of nsdsynthetic"].paths == (synthetic_design_path(),)
    pattern = np.zeros((1, 8, 107), np.uint8)
    pattern[..., :93] = 1
    order = np.arange(744)[None] % 284 + 1
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"masterordering": order, "stimpattern": pattern})
    assert examined()["design of nsdsynthetic"].state == "ok"
    scipy.io.savemat(path, {"masterordering": order % 200 + 1, "stimpattern": pattern})
    check = examined()["design of nsdsynthetic"]
    assert (check.state, check.seen) == ("wrong", "200 images")

"""The sixteen traps of NSD that readers fall into, each with a file that holds it."""

import ast
from collections import Counter
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

import mindeye.data
from mindeye.data.design import read_design, require_same_images, showings
from mindeye.data.nsd import NSDTree
from mindeye.data.regions import volume_mean_beta
from mindeye.data.splits import split_images
from mindeye.data.stim_info import read_stim_info
from mindeye.data.stimuli import image_blocks
from mindeye.data.surfaces import read_surface_session
from mindeye.data.zscore import statistics_of, zscored

DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"


def test_trap_1_minus_one_of_an_roi_volume_is_no_region(written):
    stored = written.atlases["nsdgeneral"]
    assert (stored == -1).sum() > (stored == 1).sum()
    np.testing.assert_array_equal(NSDTree(written.root).mask(1), stored == 1)


def test_trap_2_ids_of_mat_and_tsv_count_from_one_and_pictures_from_zero(written, expected_picture):
    stored = scipy.io.loadmat(written.root / DESIGN)
    first = int(stored["subjectim"][0, stored["masterordering"][0, 0] - 1])
    lines = (written.root / "nsddata/ppdata/subj01/behav/responses.tsv").read_text().splitlines()
    assert lines[1].split("\t")[2] == str(first)
    image_id = NSDTree(written.root).image_ids(1, 1)[:1]
    assert image_id[0] == first - 1
    path = written.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    (block,) = image_blocks(path, image_id)
    np.testing.assert_array_equal(block[0], expected_picture(first - 1))


def test_trap_3_volumes_and_native_surfaces_hold_300_times_percent_and_fsaverage_does_not(
    written, tmp_path
):
    x, y, z = np.argwhere(written.mask())[0]
    volume = NSDTree(written.root).betas(1, 1)[0, 0]
    assert volume == np.float32(written.raw[0][x, y, z, 0]) / np.float32(300)
    masks = (np.array([True]), np.array([True]))
    image = nibabel.freesurfer.MGHImage(np.full((1, 1, 1, 2), 1.5, np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "a.mgh")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["betas"] = np.full((2, 1), 450, np.int16)
    for name in ("a.mgh", "a.hdf5"):
        paths = (tmp_path / name, tmp_path / name)
        np.testing.assert_array_equal(read_surface_session(paths, masks, 2), np.full((2, 2), 1.5))


def test_trap_4_h5py_sees_the_axes_of_matlab_in_reverse(written):
    with h5py.File(written.betas / "betas_session01.hdf5") as file:
        assert file["betas"].shape == (750, *written.mask().shape[::-1])
    tree = NSDTree(written.root)
    np.testing.assert_array_equal(
        tree.betas(1, 1, source="hdf5"), tree.betas(1, 1, source="nii.gz")
    )


def test_trap_5_voxels_stand_in_c_order_of_x_y_z_and_not_of_z_y_x(written):
    mask, raw = written.mask(), written.raw[0]
    reverse = raw.transpose(3, 2, 1, 0)[:, mask.T].astype(np.float32) / np.float32(300)
    betas = NSDTree(written.root).betas(1, 1, source="hdf5")
    assert (betas != reverse).any()
    np.testing.assert_array_equal(np.sort(betas, axis=1), np.sort(reverse, axis=1))
    np.testing.assert_array_equal(betas, raw[mask].T.astype(np.float32) / np.float32(300))


def test_trap_6_37_sessions_hold_982_shared_and_8859_own_images(late_design):
    design = read_design(late_design, 1)
    for sessions, expected in ((37, (982, 8859)), (40, (1000, 9000))):
        shown = design.sessions <= sessions
        splits = split_images(design.image_ids[shown], design.is_shared[shown], seed=0)
        own = len(splits["train"]) + len(splits["validation"])
        assert (len(splits["test"]), own) == expected


def test_trap_7_the_order_of_trials_is_longer_than_the_data(own_tree):
    """30000 planned trials, 1500 acquired ones: no session is read from the plan alone."""
    tree = NSDTree(own_tree.root)
    assert len(tree.design(1).image_ids) == 30000
    assert tree.sessions(1) == (1, 2)
    with pytest.raises(FileNotFoundError, match=r"betas_session03.hdf5 is missing"):
        tree.betas(1, 3)
    with pytest.raises(LookupError, match="subj04 has sessions 1 to 30, not 31"):
        tree.image_ids(4, 31)


def test_trap_8_meanbeta_is_300_times_percent_signal(own_tree, rewrite_volume):
    mean = own_tree.raw.astype(np.float64).mean((0, 4)).astype(np.float32)
    rewrite_volume(own_tree.betas / "meanbeta.nii.gz", mean)
    tree = NSDTree(own_tree.root)
    found = volume_mean_beta(own_tree.root, 1, tree.mask(1), "b3")
    betas = np.concatenate([tree.betas(1, session) for session in (1, 2)])
    np.testing.assert_allclose(found, betas.mean(0), rtol=1e-3, atol=1e-4)
    assert volume_mean_beta(own_tree.root, 1, tree.mask(1), "b2") is None


def test_trap_9_a_voxel_outside_of_the_slab_is_zero_and_never_nan(own_tree, rewrite_betas):
    raw = own_tree.raw[1].copy()
    x, y, z = np.argwhere(own_tree.mask())[4]
    raw[x, y, z] = 0
    rewrite_betas(own_tree.betas, 2, raw)
    betas = NSDTree(own_tree.root).betas(1, 2)
    assert not betas[:, 4].any()
    statistics = statistics_of(betas, np.ones(750, dtype=bool))
    assert np.flatnonzero(~statistics.usable).tolist() == [4]
    assert not zscored(betas, statistics)[:, 4].any()


def test_trap_10_nothing_calls_what_nibabel_removed_or_what_makes_float64():
    called = {
        node.func.attr
        for path in Path(mindeye.data.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "load" in called
    assert not called & {"get_data", "get_fdata"}


def test_trap_11_the_affine_is_a_placeholder_and_moves_no_voxel(own_tree):
    path = own_tree.functional / "roi" / "nsdgeneral.nii.gz"
    image = nibabel.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 5 * 1.8
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), moved), path)
    expected = own_tree.raw[0][own_tree.mask()].T.astype(np.float32) / np.float32(300)
    for source in ("hdf5", "nii.gz"):
        betas = NSDTree(own_tree.root).betas(1, 1, source=source)
        np.testing.assert_array_equal(betas, expected)


def test_trap_12_not_every_shared_image_was_seen_three_times(late_design):
    design = read_design(late_design, 4)
    image_ids, counts = showings(design, range(1, 31))
    acquired = design.image_ids[: 30 * 750]
    assert dict(zip(image_ids.tolist(), counts.tolist(), strict=True)) == Counter(acquired.tolist())
    shared = np.isin(image_ids, design.image_ids[design.is_shared])
    assert shared.sum() < 1000
    assert set(counts[shared]) == {1, 2, 3}


def test_trap_13_repeats_in_the_table_may_never_have_been_acquired(stim_info_path, written):
    info = read_stim_info(stim_info_path)
    acquired = info.acquired_trials(1, 1500)
    assert info.trials[0].max() == 29999
    assert acquired.max() == 1499
    trials = np.sort(acquired[acquired >= 0])
    assert trials.tolist() == list(range(1500))
    seen = np.flatnonzero((acquired >= 0).any(0))
    np.testing.assert_array_equal(seen, np.unique(written.image_ids[:1500]))


def test_trap_14_the_noise_ceiling_is_that_of_the_same_betas(own_tree, rewrite_volume):
    tree = NSDTree(own_tree.root)
    mask = tree.mask(1)
    b3 = tree.ncsnr(1, mask)
    other = own_tree.betas.parent / "betas_fithrf" / "ncsnr.nii.gz"
    rewrite_volume(other, np.full(mask.shape, 0.25, np.float32))
    np.testing.assert_array_equal(tree.ncsnr(1, mask), b3)
    assert set(tree.ncsnr(1, mask, beta_version="b2")) == {0.25}
    (own_tree.betas / "ncsnr.nii.gz").unlink()
    assert tree.ncsnr(1, mask) is None


def test_trap_15_integers_above_2048_survive_and_sums_are_exact(own_tree, rewrite_betas):
    raw = own_tree.raw[0].copy()
    raw[own_tree.mask()] = 30001 + np.arange(750) % 7
    rewrite_betas(own_tree.betas, 1, raw)
    for source in ("hdf5", "nii.gz"):
        betas = NSDTree(own_tree.root).betas(1, 1, source=source)
        assert np.rint(betas[:, 0] * 300).tolist() == (30001 + np.arange(750) % 7).tolist()
    statistics = statistics_of(betas, np.ones(750, dtype=bool))
    exact = betas.astype(np.float64)
    np.testing.assert_allclose(statistics.mean, exact.mean(0), rtol=1e-7)
    np.testing.assert_allclose(statistics.std, exact.std(0, ddof=1), rtol=1e-6)


def test_trap_16_an_image_id_in_16_bits_wraps_and_is_refused(own_tree):
    path = own_tree.root / DESIGN
    assert read_design(path, 1).image_ids.max() > 65535
    content = {name: one for name, one in scipy.io.loadmat(path).items() if name[0] != "_"}
    wrapped = {name: content[name].astype(np.uint16) for name in ("subjectim", "sharedix")}
    scipy.io.savemat(path, {**content, "subjectim": wrapped["subjectim"]})
    with pytest.raises(ValueError, match="Were the ids cut to 16 bits"):
        read_design(path, 1)
    scipy.io.savemat(path, {**content, **wrapped})
    responses = own_tree.root / "nsddata/ppdata/subj01/behav/responses.tsv"
    with pytest.raises(ValueError, match=r"16 bits|trials disagree"):
        require_same_images(responses, read_design(path, 1))

import dataclasses
import gzip
import json
import struct

import h5py
import nibabel
import numpy as np
import pandas
import pytest
import scipy.io

from mindeye import nsd_layout as nsd
from mindeye.simulate.noise_ceiling import estimate_ncsnr
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import PRESETS
from mindeye.simulate.scenes import caption_of, draw_scene, scene_of

CONFIG = dataclasses.replace(PRESETS["tiny"], sessions=1)
SEED = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated") / "nsd"
    simulate_nsd_tree(root, PRESETS["tiny"], seed=SEED)
    return root


def volume(root, path):
    return np.asarray(nibabel.load(root / path).dataobj)


def shown_ids(root, sessions=2):
    design = scipy.io.loadmat(root / nsd.expdesign_path())
    columns = design["masterordering"][0, : 750 * sessions].astype(np.int64) - 1
    return design["subjectim"].astype(np.int64)[0, columns] - 1


def test_both_beta_files_hold_the_same_integers(root):
    brain = volume(root, nsd.brainmask_path(1)) == 1
    for session in (1, 2):
        from_nifti = volume(root, nsd.betas_path(1, session, "nii.gz"))
        with h5py.File(root / nsd.betas_path(1, session, "hdf5")) as file:
            betas = file["betas"]
            assert betas.dtype == np.int16
            assert betas.chunks == (750, 1, 1, 1)
            np.testing.assert_array_equal(betas[()].transpose(3, 2, 1, 0), from_nifti)
        assert from_nifti.dtype == np.int16
        assert from_nifti.shape == (12, 14, 12, 750)
        assert (from_nifti[~brain] == 0).all()


def test_betas_look_like_percent_signal_change_times_300(root):
    labels = volume(root, nsd.roi_path(1, "prf-visualrois"))
    betas = volume(root, nsd.betas_path(1, 1, "nii.gz"))[(labels == 1) | (labels == 2)] / 300
    assert 1 < betas.mean() < 3.5
    assert 2 < betas.std(1).mean() < 4.5
    mean = volume(root, nsd.mean_beta_path(1))
    both = np.stack([volume(root, nsd.betas_path(1, s, "nii.gz")).mean(-1) for s in (1, 2)])
    np.testing.assert_allclose(mean, both.mean(0), atol=1e-3)


def test_nifti_headers_are_those_of_nsd(root):
    header = nibabel.load(root / nsd.betas_path(1, 1, "nii.gz")).header
    np.testing.assert_allclose(header.get_best_affine(), nsd.functional_affine((12, 14, 12)))
    assert header["sform_code"] == 1
    assert header["qform_code"] == 0
    assert header["xyzt_units"] == 0
    np.testing.assert_allclose(header["pixdim"][1:5], [1.8, 1.8, 1.8, 4 / 3], rtol=1e-6)
    with gzip.open(root / nsd.betas_path(1, 1, "nii.gz")) as stream:
        raw = stream.read(348)
    vox_offset, slope, intercept = struct.unpack("<3f", raw[108:120])
    assert (vox_offset, slope, intercept) == (352, 0, 0)
    assert raw[344:] == b"n+1\0"


def test_ids_agree_between_design_responses_table_and_pictures(root):
    ids = shown_ids(root)
    responses = pandas.read_csv(root / nsd.responses_path(1), sep="\t")
    assert tuple(responses.columns) == nsd.RESPONSE_COLUMNS
    assert (responses["73KID"] - 1 == ids).all()
    table = pandas.read_csv(root / nsd.stim_info_path())
    assert table.shape == (73_000, 41)
    assert (table["nsdId"] == np.arange(73_000)).all()
    repeats = table.loc[ids, ["subject1_rep0", "subject1_rep1", "subject1_rep2"]].to_numpy()
    assert (repeats == np.arange(1, 1501)[:, None]).sum(1).tolist() == [1] * 1500
    captions = json.loads((root / nsd.captions_path()).read_text())
    assert sorted(map(int, captions)) == np.unique(ids).tolist()
    with h5py.File(root / nsd.stimuli_path()) as file:
        brick = file["imgBrick"]
        assert brick.shape == (73_000, 64, 64, 3)
        assert brick.dtype == np.uint8
        for image_id in ids[:3].tolist():
            scene = scene_of(SEED, image_id)
            np.testing.assert_array_equal(brick[image_id], draw_scene(scene, 64))
            assert captions[str(image_id)] == caption_of(scene)
        unseen = np.setdiff1d(np.arange(73_000), ids)[0]
        assert (brick[unseen] == 127).all()


def test_design_arrays_have_the_shapes_of_nsd(root):
    design = scipy.io.loadmat(root / nsd.expdesign_path())
    shapes = {key: value.shape for key, value in design.items() if not key.startswith("__")}
    assert shapes == {
        "masterordering": (1, 30_000),
        "subjectim": (8, 10_000),
        "sharedix": (1, 1000),
        "stimpattern": (40, 12, 75),
        "basiccnt": (3, 40),
    }


def test_roi_volumes_mark_what_is_not_cortex_with_minus_one(root):
    brain = volume(root, nsd.brainmask_path(1)) == 1
    for atlas in ("nsdgeneral", "prf-visualrois", "streams", "floc-faces", "floc-places"):
        both = volume(root, nsd.roi_path(1, atlas))
        left, right = (volume(root, nsd.roi_path(1, atlas, side)) for side in nsd.HEMISPHERES)
        assert both.dtype == np.float64
        assert (both[~brain] == -1).all()
        assert set(np.unique(both)) <= {-1, 0, *nsd.ROI_LABELS[atlas]}
        assert ((left == -1) | (right == -1)).all()
        np.testing.assert_array_equal(both, np.where(left == -1, right, left))
    assert (volume(root, nsd.roi_path(1, "nsdgeneral")) == 1).sum() == 320


def test_invalid_voxels_are_zero_in_one_session_and_outside_of_nsdgeneral(root):
    brain = volume(root, nsd.brainmask_path(1)) == 1
    valid = [volume(root, nsd.valid_session_path(1, session)) for session in (1, 2)]
    invalid = [(mask == 0) & brain for mask in valid]
    assert sum(mask.sum() for mask in invalid) == PRESETS["tiny"].invalid_voxels
    for session, mask in enumerate(invalid, start=1):
        betas = volume(root, nsd.betas_path(1, session, "nii.gz"))
        assert (betas[mask] == 0).all()
        assert (betas[brain & ~mask] != 0).any(-1).all()
        assert (volume(root, nsd.roi_path(1, "nsdgeneral"))[mask] != 1).all()


def test_the_ncsnr_file_is_nsds_formula_on_the_betas(root):
    mask = volume(root, nsd.roi_path(1, "nsdgeneral")) == 1
    betas = [volume(root, nsd.betas_path(1, session, "nii.gz"))[mask].T for session in (1, 2)]
    found = estimate_ncsnr(np.concatenate(betas), shown_ids(root))
    np.testing.assert_allclose(volume(root, nsd.ncsnr_path(1))[mask], found, atol=1e-4)


def test_the_tree_says_that_it_is_simulated(root):
    label = json.loads((root / nsd.SIMULATED_FILE).read_text())
    assert label["simulated"] is True
    assert label["preset"] == "tiny"
    assert label["seed"] == SEED
    assert label["parameters"]["latent_noise"] == PRESETS["tiny"].latent_noise
    assert "no human data" in label["note"]
    assert label["planted_ncsnr"]["V1"] > 0


def test_the_same_seed_gives_the_same_bytes_in_every_file(root, tmp_path):
    simulate_nsd_tree(tmp_path / "again", PRESETS["tiny"], seed=SEED)
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        assert (root / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


def test_an_existing_tree_is_kept_and_another_one_never_overwritten(root, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    simulate_nsd_tree(root, PRESETS["tiny"], seed=SEED)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    with pytest.raises(ValueError, match=f"seed {SEED}, not .*seed 5"):
        simulate_nsd_tree(root, PRESETS["tiny"], seed=5)
    louder = dataclasses.replace(PRESETS["tiny"], latent_noise=3.0)
    with pytest.raises(ValueError, match=r"latent_noise .* instead of 3\.0"):
        simulate_nsd_tree(root, louder, seed=SEED)
    (tmp_path / "holiday.jpg").write_text("precious")
    with pytest.raises(ValueError, match="not a simulated tree"):
        simulate_nsd_tree(tmp_path, CONFIG, seed=1)
    with pytest.raises(LookupError, match="subjects 1 to 8, not 9"):
        simulate_nsd_tree(tmp_path / "new", CONFIG, subject=9, seed=1)


def test_an_interrupted_tree_leaves_nothing_behind(tmp_path):
    def interrupt(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_nsd_tree(tmp_path / "nsd", CONFIG, seed=1, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_beta_versions_differ_in_noise_and_invalid_voxels_have_no_ncsnr(tmp_path):
    calls = []
    simulate_nsd_tree(
        tmp_path / "nsd",
        dataclasses.replace(CONFIG, beta_versions=("b2", "b3"), invalid_roi_voxels=2),
        subject=3,
        seed=1,
        progress=lambda *call: calls.append(call),
    )
    assert calls[-1] == ("sessions", 2, 2)
    assert ("pictures", 250, 250) in calls
    root = tmp_path / "nsd"
    mask = volume(root, nsd.roi_path(3, "nsdgeneral")) == 1
    ncsnr = {version: volume(root, nsd.ncsnr_path(3, version))[mask] for version in ("b2", "b3")}
    assert np.isnan(ncsnr["b3"]).sum() == 2
    assert np.nanmean(ncsnr["b2"]) < 0.95 * np.nanmean(ncsnr["b3"])

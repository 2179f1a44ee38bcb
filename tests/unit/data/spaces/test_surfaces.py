from pathlib import Path

import h5py
import numpy as np
import pytest

from mindeye.data.nsd import NSDTree
from mindeye.data.regions import surface_ncsnr

VERSION = "betas_fithrf_GLMdenoise_RR"
BETAS = "nsddata_betas/ppdata/subj01"


def fsaverage(root: Path, side: str = "lh") -> Path:
    return root / BETAS / "fsaverage" / VERSION / f"{side}.betas_session01.mgh"


def native(root: Path, side: str = "lh") -> Path:
    return root / BETAS / "nativesurface" / VERSION / f"{side}.betas_session01.hdf5"


def test_left_vertices_come_first_and_fsaverage_is_not_divided(every_space):
    betas = NSDTree(every_space.root).betas(1, 1, "nsdgeneral", space="fsaverage")
    left, right = (labels > 0 for labels in every_space.labels["fsaverage"])
    expected = np.concatenate([every_space.percent[0][left], every_space.percent[1][right]]).T
    np.testing.assert_array_equal(betas, expected)
    assert betas.dtype == np.float32
    assert np.isnan(betas).all(0).sum() == 1


def test_nativesurface_is_divided_by_300(every_space):
    betas = NSDTree(every_space.root).betas(1, 1, "nsdgeneral", "hdf5", space="nativesurface")
    left, right = (labels > 0 for labels in every_space.labels["nativesurface"])
    raw = np.concatenate([every_space.native[0][left], every_space.native[1][right]]).T
    np.testing.assert_array_equal(betas, raw.astype(np.float32) / np.float32(300))


def test_labels_are_chosen_by_name_on_both_hemispheres(every_space):
    left, right = NSDTree(every_space.root).surface_masks(1, "streams:midventral", "fsaverage")
    for found, labels in zip((left, right), every_space.labels["fsaverage"], strict=True):
        np.testing.assert_array_equal(found, labels == 2)


def test_a_surface_s_own_colour_table_names_its_labels(own_every_space):
    root = own_every_space.root
    (root / "nsddata/freesurfer/fsaverage/label/streams.mgz.ctab").write_text("0 Unknown\n1 one\n")
    tree = NSDTree(root)
    np.testing.assert_array_equal(
        tree.surface_masks(1, "streams:one", "fsaverage")[0],
        own_every_space.labels["fsaverage"][0] == 1,
    )
    with pytest.raises(LookupError, match="no label `one`"):
        tree.surface_masks(1, "streams:one", "nativesurface")


def test_the_noise_ceiling_of_a_surface_keeps_vertices_without_data(every_space):
    tree = NSDTree(every_space.root)
    masks = tree.surface_masks(1, "nsdgeneral", "fsaverage")
    ncsnr = surface_ncsnr(every_space.root, 1, masks, "b3")
    expected = np.concatenate([one[mask, 0] for one, mask in zip(every_space.percent, masks)])
    np.testing.assert_array_equal(ncsnr, np.abs(expected))
    assert surface_ncsnr(every_space.root, 1, masks, "b2") is None


@pytest.mark.parametrize("space", ["fsaverage", "nativesurface"])
@pytest.mark.parametrize("share", [0.0005, 0.5, 0.99])
def test_a_truncated_session_is_named(own_every_space, space, share):
    path = {"fsaverage": fsaverage, "nativesurface": native}[space](own_every_space.root)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read .*cut off"):
        NSDTree(own_every_space.root).betas(1, 1, space=space)


def test_a_truncated_atlas_and_a_map_are_no_atlas(own_every_space, rewrite_mgh):
    path = own_every_space.root / "nsddata/freesurfer/fsaverage/label/rh.nsdgeneral.mgz"
    path.write_bytes(path.read_bytes()[:60])
    tree = NSDTree(own_every_space.root)
    with pytest.raises(ValueError, match=r"rh.nsdgeneral.mgz cannot be read"):
        tree.surface_masks(1)
    rewrite_mgh(path, np.full(40, 0.5, np.float32))
    with pytest.raises(ValueError, match=r"rh.nsdgeneral.mgz holds values that are no whole"):
        tree.surface_masks(1)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"has streams on this surface"):
        tree.surface_masks(1)


def test_one_hemisphere_alone_is_refused(own_every_space):
    fsaverage(own_every_space.root, "rh").unlink()
    with pytest.raises(FileNotFoundError, match=r"rh.betas_session01.mgh is missing"):
        NSDTree(own_every_space.root).betas(1, 1, space="fsaverage")


def test_nan_in_some_trials_of_a_vertex_is_refused(own_every_space, rewrite_mgh):
    values = own_every_space.percent[0].copy()
    vertex = int(np.flatnonzero(own_every_space.labels["fsaverage"][0])[3])
    values[vertex, 5:8] = np.nan
    rewrite_mgh(fsaverage(own_every_space.root), values)
    message = rf"lh.betas_session01.mgh: vertex {vertex} is not finite in 3 of 750 trials"
    with pytest.raises(ValueError, match=message):
        NSDTree(own_every_space.root).betas(1, 1, space="fsaverage")
    values[vertex] = np.inf
    rewrite_mgh(fsaverage(own_every_space.root), values)
    with pytest.raises(ValueError, match="is not finite in 750 of 750 trials"):
        NSDTree(own_every_space.root).betas(1, 1, space="fsaverage")


def test_other_vertices_trials_and_numbers_are_refused(own_every_space, rewrite_mgh):
    root, tree = own_every_space.root, NSDTree(own_every_space.root)
    rewrite_mgh(fsaverage(root), np.ones((39, 750), np.float32))
    with pytest.raises(ValueError, match=r"has 39 vertices, but the mask has 40"):
        tree.betas(1, 1, space="fsaverage")
    rewrite_mgh(fsaverage(root), np.ones((40, 749), np.float32))
    with pytest.raises(ValueError, match=r"holds 749 trials, but the design has 750"):
        tree.betas(1, 1, space="fsaverage")
    rewrite_mgh(fsaverage(root), np.ones((40, 750), np.int32))
    with pytest.raises(ValueError, match=r"holds >i4, but NSD's betas on fsaverage are float32"):
        tree.betas(1, 1, space="fsaverage")
    for stored, message in (
        (np.ones((750, 31), np.int16), "has 31 vertices, but the mask has 30"),
        (np.ones((700, 30), np.int16), "holds 700 trials"),
        (np.ones((750, 30), np.float32), "holds float32, but NSD's betas on nativesurface"),
    ):
        with h5py.File(native(root), "w") as file:
            file["betas"] = stored
        with pytest.raises(ValueError, match=message):
            tree.betas(1, 1, space="nativesurface")
    with h5py.File(native(root), "w") as file:
        file["other"] = [1]
    with pytest.raises(ValueError, match=r"it has \['other'\] and no data set `betas`"):
        tree.betas(1, 1, space="nativesurface")


def test_a_region_without_vertices_is_refused(own_every_space, rewrite_mgh):
    for side in ("lh", "rh"):
        path = own_every_space.root / f"nsddata/freesurfer/fsaverage/label/{side}.streams.mgz"
        rewrite_mgh(path, np.zeros(40, np.int32))
    with pytest.raises(ValueError, match="`streams` has no vertex in subj01"):
        NSDTree(own_every_space.root).surface_masks(1, "streams")

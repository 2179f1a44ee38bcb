import dataclasses

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, ScalarAxis, SeriesAxis

from mindeye.data.scans.results import RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan

LEFT, RIGHT = 70, 60


@pytest.fixture
def surface_bundle(brain):
    """A model of all vertices of both hemispheres, which have no coordinates."""
    count = LEFT + RIGHT
    rng = np.random.default_rng(4)
    mean = rng.normal(1, 1, count).astype(np.float32)
    std = rng.uniform(1, 2, count).astype(np.float32)
    return dataclasses.replace(
        brain.bundle,
        space="fsaverage",
        **dict.fromkeys(("shape", "affine", "coordinates")),
        mean=mean[None],
        std=std[None],
        mean_map=mean,
        ncsnr=mean,
        sessions=(1,),
        label_of_voxel={},
        label_names={},
    )


@pytest.fixture
def betas(surface_bundle):
    noise = np.random.default_rng(5).normal(size=(30, LEFT + RIGHT))
    return (surface_bundle.mean_map + surface_bundle.std[0] * noise).astype(np.float32)


def save_cifti(path, betas, sides=("left", "right")):
    counts = {"left": LEFT, "right": RIGHT}
    models = [
        BrainModelAxis.from_surface(np.arange(counts[side]), counts[side], f"cortex_{side}")
        for side in sides
    ]
    axis = sum(models[1:], models[0])
    rows = SeriesAxis(0, 1, len(betas))
    if path.name.endswith(".dscalar.nii"):
        rows = ScalarAxis([f"trial {trial}" for trial in range(len(betas))])
    nibabel.save(nibabel.Cifti2Image(betas, (rows, axis)), path)
    return path


def save_gifti(folder, betas, names=("sub_hemi-L.func.gii", "sub_hemi-R.func.gii"), meta=False):
    paths = []
    for name, side, part in zip(names, ("Left", "Right"), np.split(betas, [LEFT], axis=1)):
        told = {"AnatomicalStructurePrimary": f"Cortex{side}"} if meta else {}
        image = nibabel.GiftiImage(meta=nibabel.gifti.GiftiMetaData(told))
        for row in part:
            image.add_gifti_data_array(nibabel.gifti.GiftiDataArray(row, datatype="float32"))
        nibabel.save(image, folder / name)
        paths.append(folder / name)
    return paths


def save_mgh(folder, betas):
    paths = []
    for name, part in zip(("lh.betas.mgh", "rh.betas.mgh"), np.split(betas, [LEFT], axis=1)):
        values = np.ascontiguousarray(part.T[:, None, None])
        nibabel.save(nibabel.MGHImage(values, np.eye(4)), folder / name)
        paths.append(folder / name)
    return paths


def written(form, folder, betas):
    if form == "gifti":
        return save_gifti(folder, betas)
    if form == "mgh":
        return save_mgh(folder, betas)
    return [save_cifti(folder / f"betas.{form}.nii", betas)]


FORMS = ("dscalar", "dtseries", "gifti", "mgh")


@pytest.mark.parametrize("form", FORMS)
def test_every_surface_form_gives_the_same_betas_left_before_right(
    surface_bundle, betas, tmp_path, form
):
    paths = written(form, tmp_path, betas)
    for given in (paths, paths[::-1]):
        scan = read_scan(given, surface_bundle)
        np.testing.assert_array_equal(scan.betas, betas)
    results = check_scan(scan, surface_bundle)
    assert "failed" not in {one.status for one in results}
    assert "hemispheres left and right" in results[10].seen


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_of_all_vertices_chooses_the_models(surface_bundle, betas, tmp_path, form):
    paths = written(form, tmp_path, np.repeat(betas, 1, axis=0))
    chosen = np.zeros(LEFT + RIGHT, dtype=np.int16)
    chosen[[3, 50, 80]] = 1
    np.save(tmp_path / "mask.npy", chosen)
    three = np.array([3, 50, 80])
    bundle = dataclasses.replace(
        surface_bundle,
        **{name: getattr(surface_bundle, name)[..., three] for name in ("mean", "std", "ncsnr")},
        mean_map=surface_bundle.mean_map[three],
    )
    scan = read_scan(paths, bundle, mask=tmp_path / "mask.npy")
    np.testing.assert_array_equal(scan.betas, betas[:, three])
    with pytest.raises(RefusedScanError, match="has 3 voxels in this model but 130"):
        read_scan(paths, bundle)
    np.save(tmp_path / "mask.npy", chosen[:-1])
    with pytest.raises(RefusedScanError, match="The mask has 129 vertices, but the scan has 130"):
        read_scan(paths, bundle, mask=tmp_path / "mask.npy")


def test_the_header_of_gifti_tells_the_side_where_the_name_does_not(
    surface_bundle, betas, tmp_path
):
    names = ("first.gii", "second.gii")
    paths = save_gifti(tmp_path, betas, names, meta=True)
    np.testing.assert_array_equal(read_scan(paths[::-1], surface_bundle).betas, betas)
    paths = save_gifti(tmp_path, betas, names)
    with pytest.raises(ValueError, match=r"first\.gii does not tell its hemisphere"):
        read_scan(paths, surface_bundle)


@pytest.mark.parametrize("form", ["gifti", "mgh"])
def test_one_hemisphere_or_the_same_one_twice_is_refused(surface_bundle, betas, tmp_path, form):
    paths = written(form, tmp_path, betas)
    for given in (paths[:1], [paths[0], paths[0]]):
        with pytest.raises(ValueError, match="and not one of each hemisphere"):
            read_scan(given, surface_bundle)


@pytest.mark.parametrize("sides", [("left",), ("right", "left")])
def test_cifti_needs_both_hemispheres_left_before_right(surface_bundle, betas, tmp_path, sides):
    width = LEFT if sides == ("left",) else LEFT + RIGHT
    path = save_cifti(tmp_path / "one.dscalar.nii", betas[:, :width], sides)
    with pytest.raises(ValueError, match="Both hemispheres are needed, left before right"):
        read_scan([path], surface_bundle)


def test_hemispheres_of_unequal_numbers_of_trials_are_refused(surface_bundle, betas, tmp_path):
    left = save_mgh(tmp_path, betas)[0].rename(tmp_path / "lh.other.mgh")
    right = save_mgh(tmp_path, betas[1:])[1]
    with pytest.raises(ValueError, match="left hemisphere has 30 trials, the right 29"):
        read_scan([left, right], surface_bundle)


@pytest.mark.parametrize("form", FORMS)
def test_a_surface_scan_for_a_model_of_a_volume_is_refused(brain, betas, tmp_path, form):
    with pytest.raises(RefusedScanError, match="lies on a surface, but the model's voxels lie in"):
        read_scan(written(form, tmp_path, betas), brain.bundle)


@pytest.mark.parametrize("form", FORMS)
def test_a_surface_file_that_was_cut_off_is_named(surface_bundle, betas, tmp_path, form):
    paths = written(form, tmp_path, betas)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{paths[0].name} cannot be read"):
        read_scan(paths, surface_bundle)


def test_a_volume_in_mgz_and_a_nifti_named_cifti_are_refused(surface_bundle, tmp_path, brain):
    nibabel.save(nibabel.MGHImage(brain.volumes, np.eye(4)), tmp_path / "lh.brain.mgz")
    with pytest.raises(ValueError, match="is that of a volume; save it as NIfTI"):
        read_scan([tmp_path / "lh.brain.mgz"] * 2, surface_bundle)
    image = nibabel.Nifti1Image(brain.volumes, np.eye(4))
    nibabel.save(image, tmp_path / "plain.dscalar.nii")
    with pytest.raises(ValueError, match="it holds Nifti1Image, no CIFTI"):
        read_scan([tmp_path / "plain.dscalar.nii"], surface_bundle)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [0, 1, 50, 300])
def test_a_scan_of_which_little_is_left_is_named(surface_bundle, betas, tmp_path, form, length):
    paths = written(form, tmp_path, betas)
    paths[0].write_bytes(paths[0].read_bytes()[:length])
    with pytest.raises(ValueError, match=paths[0].name):
        read_scan(paths, surface_bundle)

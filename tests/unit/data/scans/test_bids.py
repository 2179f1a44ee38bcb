"""A folder of time series given as a scan: betas are estimated, or it says how to have them."""

import sys

import nibabel
import numpy as np
import pytest

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import PASSED, RefusedScanError
from mindeye.data.scans.scan import check_scan, read_scan, zscored_scan
from mindeye.data.scans.series.estimate import estimate, open_series
from mindeye.data.scans.series.request import SeriesRequest


@pytest.fixture
def bundle(recording):
    """A model of every other voxel of the recording."""
    coordinates = np.argwhere(np.ones((5, 4, 3), dtype=bool))[::2].astype(np.int16)
    return bundle_at(recording, coordinates)


def bundle_at(recording, coordinates, space="T1w"):
    betas = recording.betas[(..., *coordinates.T.astype(int))].reshape(24, -1)
    mean, std = betas.mean(0).astype(np.float32), betas.std(0).astype(np.float32)
    return VoxelBundle(
        subject=1,
        space=space,
        roi="all",
        beta_version="b3",
        zscore="session-train",
        sessions=(1,),
        shape=(5, 4, 3),
        affine=nibabel.load(recording.file(1, "desc-brain_mask.nii.gz")).affine,
        coordinates=coordinates,
        mean=mean[None],
        std=std[None],
        mean_map=mean,
        ncsnr=std,
        label_of_voxel={},
        label_names={},
    )


@pytest.mark.parametrize("where", ["root", "folder"])
def test_a_folder_of_time_series_is_a_scan_of_the_models_voxels(recording, bundle, where):
    scan = read_scan([getattr(recording, where)], bundle)
    whole = estimate(open_series(recording.root, SeriesRequest()), np.arange(60))
    np.testing.assert_allclose(scan.betas, whole[:, ::2], atol=1e-6)
    assert scan.betas.dtype == np.float32
    assert (scan.units, len(scan.files)) == ("psc", 2)
    assert scan.form.startswith("BIDS time series (LSS by nilearn")
    assert [row.run for row in scan.trials.rows] == [1] * 12 + [2] * 12
    assert scan.trials.rows[0].name == "image0.png"
    results = {one.name: one for one in check_scan(scan, bundle)}
    for name in ("voxel identity", "grid", "units", "mean map", "trials", "repeats"):
        assert results[name].status == PASSED, results[name].text
    assert "runs 2, repetition time 1.5, first volume at 0 s" in results["header"].text
    assert np.isfinite(zscored_scan(scan, bundle, statistics="own")).all()


def test_another_space_than_the_models_is_refused(recording):
    coordinates = np.argwhere(np.ones((5, 4, 3), dtype=bool)).astype(np.int16)
    with pytest.raises(RefusedScanError, match="says space T1w, but the model was trained in func"):
        read_scan([recording.root], bundle_at(recording, coordinates, space="func1pt8mm"))


def test_voxels_outside_of_the_brain_are_unusable_by_count(recording, bundle):
    path = recording.file(1, "desc-brain_mask.nii.gz")
    image = nibabel.load(path)
    values = np.asarray(image.dataobj).copy()
    values[0, 0, 0] = 0
    nibabel.save(nibabel.Nifti1Image(values, image.affine, image.header), path)
    results = {one.name: one for one in check_scan(read_scan([recording.root], bundle), bundle)}
    assert "1 of 30 voxels (3.33%) are constant or not finite" in results["unusable voxels"].text


def test_betas_of_time_series_are_percent_and_nothing_else(recording, bundle):
    assert read_scan([recording.root], bundle, units="psc").units == "psc"
    with pytest.raises(
        ValueError, match="--units z was asked for, but betas of a BIDS time series"
    ):
        read_scan([recording.root], bundle, units="z")


def test_a_table_of_trials_may_be_given_in_the_order_of_runs_and_onsets(
    recording, bundle, tmp_path
):
    table = tmp_path / "trials.tsv"
    table.write_text("image_id\n" + "\n".join(str(row) for row in range(24)) + "\n")
    scan = read_scan([recording.root], bundle, trials=table)
    assert scan.trials.image_ids == tuple(range(24))


def test_what_is_said_of_time_series_is_refused_with_any_other_scan(brain, tmp_path):
    np.save(tmp_path / "betas.npy", brain.betas)
    with pytest.raises(
        ValueError, match="holds no time series, so that nothing is to be estimated"
    ):
        read_scan([tmp_path / "betas.npy"], brain.bundle, series=SeriesRequest(space="T1w"))


def test_a_series_alone_or_two_folders_are_refused_with_the_way_to_betas(recording, bundle):
    path = recording.file(1, "desc-preproc_bold.nii.gz")
    for given in ([path], [recording.root, recording.root]):
        with pytest.raises(ValueError, match=r"holds no betas\. Give fMRIPrep's folder alone"):
            read_scan(given, bundle)


def test_without_nilearn_it_says_how_to_get_it_and_how_to_do_without(
    recording, bundle, monkeypatch
):
    for name in [name for name in sys.modules if name.split(".")[0] == "nilearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nilearn", None)
    monkeypatch.delitem(sys.modules, "mindeye.data.scans.series.lss", raising=False)
    monkeypatch.delitem(sys.modules, "mindeye.data.scans.series.estimate", raising=False)
    with pytest.raises(
        ValueError, match=r"pip install 'mindeye\[glm\]'; or .* with GLMsingle"
    ) as told:
        read_scan([recording.root], bundle)
    assert "git+https://github.com/cvnlab/GLMsingle.git; it is not on PyPI" in str(told.value)
    assert str(told.value).count(". ") == 1

"""MOSAIC's files: what is read is what was written, and what contradicts itself is refused."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose

from mindeye.data.batches import PreparedSubject
from mindeye.data.other_datasets.mosaic import prepare_mosaic
from mindeye.data.other_datasets.noise_ceilings import ncsnr_of
from mindeye.mosaic_layout import TrialName, parse_trial, trial_name


@pytest.fixture
def prepare(tmp_path):
    """(toy, changed settings) -> the prepared folder."""

    def of(toy, **changes):
        given = {"subject": 2, "out": tmp_path / "out", "seed": 6, "roi": "all"}
        given |= {"stimuli": toy.pictures, "stimulus_table": toy.table, "noise_ceiling_above": 1.0}
        source = changes.pop("source", toy.file)
        return PreparedSubject(prepare_mosaic(source, **{**given, **changes}))

    return of


def sorted_names(toy):
    return sorted(line.split("\t")[0] for line in toy.table.read_text().splitlines()[1:])


def test_betas_ids_splits_and_repeats_are_those_of_the_file(mosaic, prepare):
    prepared = prepare(mosaic)
    prepared.verify()
    names = sorted_names(mosaic)
    assert prepared.bundle.columns.tolist() == [0, 1, 4, 60_000]  # 3 lacks a value, 5 a ceiling
    found = 0
    for split in ("train", "validation", "test"):
        table = prepared.table(split)
        phase = "test" if split == "test" else "train"
        for betas, image_id, repeat in zip(table.betas, table.image_ids, table.repeats):
            stem = names[image_id].rsplit(".", 1)[0]
            written = mosaic.betas[f"sub-02_GOD_stimulus-{stem}_phase-{phase}_rep-{repeat}"]
            assert_allclose(betas, written[[0, 1, 4, 60_000]], rtol=1e-3, atol=1e-3)
            assert prepared.image_names[image_id] == names[image_id]
            found += 1
    assert found == 8 + 6
    assert prepared.repeats("train").betas.shape[1] == 1
    assert prepared.repeats("test").betas.shape[:2] == (2, 3)


def test_each_picture_stands_at_its_id(mosaic, prepare):
    prepared = prepare(mosaic)
    rows = {line.split("\t")[0]: n for n, line in enumerate(mosaic.table.read_text().split("\n"))}
    for image_id, picture in zip(prepared.image_ids, prepared.images):
        colour = (10 * (rows[prepared.image_names[image_id]] - 1), 200, 100)
        assert (picture == colour).all()


def test_the_manifest_tells_the_data_set_and_what_saw_the_test(mosaic, prepare):
    manifest = prepare(mosaic).manifest
    assert (manifest["dataset"], manifest["subject"]) == ("mosaic-god", 2)
    assert (manifest["units"], manifest["zscore"]) == ("z", "as published")
    assert manifest["transductive"] == ["voxels:test-noise-ceiling"]
    assert manifest["beta_version"] == "GLMsinglev1.2"
    assert manifest["simulated"] is None


def test_without_a_threshold_nothing_has_seen_the_test(mosaic, prepare):
    prepared = prepare(mosaic, noise_ceiling_above=None, roi="cortex")
    assert prepared.manifest["transductive"] == []
    assert prepared.num_voxels == 29_696 + 29_716 - 1
    assert prepared.bundle.units == "z"
    assert_allclose(prepared.bundle.ncsnr[[0, 1]], [(5 / 95) ** 0.5, 0.5], rtol=1e-5)


def test_a_noise_ceiling_of_the_training_is_preferred_and_saw_no_test(own_mosaic, prepare):
    with h5py.File(own_mosaic.file, "a") as file:
        ceiling = np.zeros(91282)
        ceiling[2] = 3
        file["noiseceilings"]["sub-02_GOD_phase-train_n-1_noiseceiling"] = ceiling
    prepared = prepare(own_mosaic)
    assert prepared.bundle.columns.tolist() == [2]
    assert prepared.manifest["transductive"] == []


def test_other_columns_of_the_same_space_are_other_voxels(mosaic, prepare, tmp_path):
    low, high = (
        prepare(mosaic, out=tmp_path / name, noise_ceiling_above=above, roi=roi).bundle
        for name, above, roi in (("a", 10.0, "cortex"), ("b", 79.0, "all"))
    )
    assert (low.num_voxels, high.num_voxels) == (2, 2)
    assert low.voxel_hash != high.voxel_hash
    with pytest.raises(ValueError, match="2 voxels here are other ones of fsLR32k than there"):
        low.check_same(high)


def test_pictures_that_are_no_photographs_are_tested_on_request(mosaic, prepare):
    prepared = prepare(mosaic, protocol="mosaic-all")
    assert len(prepared.image_ids_of("test")) == 3
    assert "zscore:artificial-images" in prepared.manifest["transductive"]


def test_a_folder_stands_for_the_one_file_of_the_subject(own_mosaic, prepare, tmp_path):
    assert prepare(own_mosaic, source=own_mosaic.file.parent).subject == 2
    own_mosaic.file.with_name("sub-02_NSD.hdf5").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds sub-02_GOD\.hdf5, sub-02_NSD\.hdf5: .*Name the f"):
        prepare(own_mosaic, source=own_mosaic.file.parent, out=tmp_path / "other")


def test_names_of_trials_are_read_as_they_are_written():
    said = TrialName(4, "BOLD5000", "sun_phase-train_rep-9", "test", 12)
    assert parse_trial(trial_name(said)) == said
    assert parse_trial("sub-04_BOLD5000_stimulus-x_phase-later_rep-1") is None


def test_a_noise_ceiling_gives_the_ncsnr_that_it_was_made_of():
    ncsnr = np.array([0, 0.2, 0.5, 3.0], dtype=np.float32)
    assert_allclose(ncsnr_of(100 * ncsnr**2 / (ncsnr**2 + 1)), ncsnr, rtol=1e-4)

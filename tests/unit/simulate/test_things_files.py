"""A made-up subject in THINGS-fMRI's layout: tables, betas and mask belong together."""

import csv
import json
from dataclasses import replace

import h5py
import nibabel
import numpy as np
import pytest

from mindeye.simulate.presets import SimulationRequest, preset_of
from mindeye.simulate.things_files import simulate_things, things_plan
from mindeye.simulate.toy_experiment import make_toy_experiment


@pytest.fixture(scope="module")
def request_of():
    small = {"grid": (8, 9, 8), "num_voxels": 60, "invalid_voxels": 0}
    return SimulationRequest(config=replace(preset_of("tiny"), **small), subject=2, seed=1)


@pytest.fixture(scope="module")
def folder(request_of, tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "things"
    simulate_things(out, request_of.config, subject=request_of.subject, seed=request_of.seed)
    return out


def rows_of(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_training_pictures_are_shown_once_and_test_pictures_in_each_session(folder):
    rows = rows_of(folder / "betas_csv" / "sub-02_StimulusMetadata.csv")
    for kind, images, repeats in (("train", 120, 1), ("test", 10, 12)):
        shown = [row["stimulus"] for row in rows if row["trial_type"] == kind]
        assert len(set(shown)) == images
        assert {shown.count(name) for name in shown} == {repeats}
    tests = {(row["session"], row["stimulus"]) for row in rows if row["trial_type"] == "test"}
    assert len(tests) == 120
    assert [int(row["trial_id"]) for row in rows] == list(range(240))
    assert all((folder / "stimuli" / row["stimulus"]).is_file() for row in rows)


def test_betas_are_the_made_up_ones_and_say_so(folder, request_of):
    experiment = make_toy_experiment(things_plan(request_of), request_of)
    with h5py.File(folder / "betas_csv" / "sub-02_ResponseData.h5") as file:
        betas = file["ResponseData"]["block0_values"][:]
        assert "Made up" in file.attrs["simulated"]
    np.testing.assert_allclose(betas, experiment.betas.T)
    marker = json.loads((folder / "betas_csv" / "SIMULATED.json").read_text())
    assert (marker["simulated"], marker["layout"], marker["subject"]) == (True, "things-fmri", 2)


def test_the_table_of_voxels_walks_the_mask_in_c_order(folder):
    mask = nibabel.load(folder / "brainmasks" / "sub-02_space-T1w_brainmask.nii.gz")
    rows = rows_of(folder / "betas_csv" / "sub-02_VoxelMetadata.csv")
    found = [[int(row[f"voxel_{axis}"]) for axis in "xyz"] for row in rows]
    assert np.array_equal(np.argwhere(np.asarray(mask.dataobj) > 0), found)
    assert 0 < sum(row["V1"] == "1" for row in rows) < 60


def test_a_subject_that_things_does_not_have_is_refused(request_of, tmp_path):
    with pytest.raises(LookupError, match="THINGS-fMRI has subjects 1 to 3, not 4"):
        simulate_things(tmp_path / "out", request_of.config, subject=4, seed=1)

"""A made-up subject in MOSAIC's layout is read back, and says that it is made up."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from mindeye.simulate.mosaic_files import filled_grayordinates, mosaic_plan, simulate_mosaic
from mindeye.simulate.presets import SimulationRequest, preset_of
from mindeye.simulate.toy_experiment import make_toy_experiment, repeats_of


@pytest.fixture(scope="module")
def request_of():
    small = {"grid": (8, 9, 8), "num_voxels": 60, "invalid_voxels": 0}
    return SimulationRequest(config=replace(preset_of("tiny"), **small), subject=3, seed=1)


@pytest.fixture(scope="module")
def folder(request_of, tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "mosaic"
    simulate_mosaic(out, request_of.config, subject=request_of.subject, seed=request_of.seed)
    return out


def test_the_file_has_mosaics_layout(folder):
    lines = [line.split("\t") for line in (folder / "nsd_stiminfo.tsv").read_text().splitlines()]
    column = lines[0].index("sub-03_reps")
    expected = {line[0]: (line[3], int(line[column])) for line in lines[1:]}
    found = {}
    with h5py.File(folder / "sub-03_NSD.hdf5") as file:
        assert '"simulated": true' in file.attrs["simulated"]
        for name, stored in file["betas"].items():
            picture = stored.attrs["presented_stimulus_filename"]
            stem = picture.split(".")[0]
            phase, repeat = stored.attrs["phase"], stored.attrs["repetition"]
            assert name == f"sub-03_NSD_stimulus-{stem}_phase-{phase}_rep-{repeat}"
            assert np.flatnonzero(np.isnan(stored[:])).tolist() == [*stored.attrs["nan_indices"]]
            assert stored.shape == (91282,)
            found[picture] = (phase, found.get(picture, (phase, 0))[1] + 1)
    assert found == expected
    assert all((folder / "stimuli" / picture).is_file() for picture in expected)


def test_betas_are_the_made_up_ones_z_scored_by_the_training_trials_of_each_session(
    folder, request_of
):
    experiment = make_toy_experiment(mosaic_plan(request_of), request_of)
    plan, columns = experiment.plan, filled_grayordinates(experiment)
    repeats = repeats_of(plan.shown)
    with h5py.File(folder / "sub-03_NSD.hdf5") as file:
        trials = []
        for image, repeat in zip(plan.shown.tolist(), repeats.tolist()):
            phase = "test" if plan.is_test[image] else "train"
            stem = plan.names[image].split(".")[0]
            name = f"sub-03_NSD_stimulus-{stem}_phase-{phase}_rep-{repeat}"
            trials.append(file["betas"][name][:][columns])
    betas, train = np.stack(trials), ~plan.is_test[plan.shown]
    visual = experiment.betas[:, experiment.subject.anatomy.is_visual]
    first = plan.sessions == 1
    assert np.corrcoef(betas[first, 0], visual[first, 0])[0, 1] > 0.999999
    for session in np.unique(plan.sessions):
        here = betas[train & (plan.sessions == session)]
        np.testing.assert_allclose(here.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(here.std(0, ddof=1), 1, atol=1e-5)


def test_what_is_there_is_kept(folder, request_of):
    before = (folder / "sub-03_NSD.hdf5").stat().st_mtime_ns
    with pytest.raises(ValueError, match="mosaic is not empty"):
        simulate_mosaic(folder, request_of.config, subject=3, seed=1)
    assert (folder / "sub-03_NSD.hdf5").stat().st_mtime_ns == before


def test_repeats_count_earlier_showings():
    assert repeats_of(np.array([4, 2, 4, 4, 2])).tolist() == [0, 0, 1, 2, 1]

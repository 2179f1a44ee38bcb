"""THINGS-fMRI's tables: what is read is what was written."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mindeye.data.batches import PreparedSubject
from mindeye.data.other_datasets.things import prepare_things
from mindeye.data.other_datasets.things_responses import opened_responses, read_session


@pytest.fixture
def prepare(tmp_path):
    """(toy, changed settings) -> the prepared folder."""

    def of(toy, **changes):
        given = {"subject": 2, "out": tmp_path / "out", "seed": 0, "stimuli": toy.pictures}
        return PreparedSubject(prepare_things(toy.folder, **{**given, **changes}))

    return of


def all_trials(prepared):
    tables = [prepared.table(split) for split in ("train", "validation", "test")]
    columns = zip(*(table for table in tables), strict=True)
    joined = [np.concatenate(column) for column in columns]
    order = np.argsort(joined[5])
    return [column[order] for column in joined]


def test_betas_ids_sessions_and_repeats_are_those_of_the_tables(things, prepare):
    prepared = prepare(things, roi="all", zscore="none")
    prepared.verify()
    betas, ids, subjects, sessions, runs, trials, repeats = all_trials(prepared)
    assert_allclose(betas, things.betas.T, rtol=1e-3, atol=1e-3)
    names = sorted(set(things.stimuli))
    assert [names[one] for one in ids] == things.stimuli
    assert [prepared.image_names[one] for one in ids.tolist()] == things.stimuli
    assert set(subjects) == {2}
    assert trials.tolist() == list(range(30))
    assert sessions.tolist() == [1] * 10 + [2] * 10 + [3] * 10
    assert runs.tolist() == ([1] * 5 + [2] * 5) * 3
    shown = [things.stimuli[:trial].count(name) for trial, name in enumerate(things.stimuli)]
    assert repeats.tolist() == shown
    assert prepared.repeats("test").betas.shape == (2, 3, 40)
    assert prepared.repeats("train").betas.shape[1] == 1
    assert prepared.images[:, 0, 0, 0].tolist() == [7 * number for number in range(26)]


@pytest.mark.parametrize("scope", ["session-train", "session-all"])
def test_each_session_is_z_scored_by_the_trials_of_the_scope(things, prepare, scope):
    prepared = prepare(things, roi="V1", zscore=scope)
    found, ids, _, sessions, *_ = all_trials(prepared)
    chosen = np.isin(ids, prepared.image_ids_of("train")) | (scope == "session-all")
    betas = things.betas[::3].T
    for session in (1, 2, 3):
        here = sessions == session
        known = betas[here & chosen]
        expected = (betas[here] - known.mean(0)) / known.std(0, ddof=1)
        assert_allclose(found[here], expected, rtol=2e-3, atol=2e-3)
        assert_allclose(prepared.bundle.mean[session - 1], known.mean(0), rtol=1e-4)
    flags = prepared.manifest["transductive"]
    assert ("zscore:session-all" in flags) == (scope == "session-all")
    assert "betas:tuned-on-test-images" in flags


def test_regions_and_noise_ceilings_choose_voxels(things, prepare, tmp_path):
    chosen = {
        "V1+lFFA": [v for v in range(40) if v % 3 == 0 or v % 10 == 1],
        "visual": [v for v in range(40) if v % 3 == 0 or v % 10 == 1],
        "g-V2": list(range(31, 40)),
    }
    for number, (roi, rows) in enumerate(chosen.items()):
        bundle = prepare(things, roi=roi, out=tmp_path / str(number)).bundle
        assert np.array_equal(bundle.coordinates, things.coordinates[rows])
        assert_allclose(bundle.affine, np.diag([2, 2, 2, 1]))
        share = np.array(rows) * 2 / 100
        assert_allclose(bundle.ncsnr, (share / (1 - share)) ** 0.5, rtol=1e-4)
        assert bundle.roi_of_voxels()["V1"].tolist() == [row % 3 == 0 for row in rows]
    prepared = prepare(things, noise_ceiling_above=60.0, out=tmp_path / "above")
    assert np.array_equal(prepared.bundle.coordinates, things.coordinates[[31, 33, 36, 39]])
    assert "voxels:test-noise-ceiling" in prepared.manifest["transductive"]
    assert prepared.bundle.units == "of time series that were z-scored in each run"


def test_without_a_brain_mask_voxels_are_known_by_their_ids(own_things, prepare):
    for mask in (own_things.folder.parent / "brainmasks").iterdir():
        mask.unlink()
    bundle = prepare(own_things, roi="g-V2").bundle
    assert bundle.coordinates is None
    assert bundle.columns.tolist() == list(range(31, 40))


def test_a_folder_above_the_tables_will_do(things, prepare):
    assert prepare(things._replace(folder=things.folder.parent)).subject == 2


def test_voxels_far_apart_are_read_in_parts_of_limited_size(things):
    rows = np.array([0, 1, 3, 30, 31, 39])
    with opened_responses(things.folder / "sub-02_ResponseData.h5", 30, np.arange(40)) as stored:
        parts = list(read_session(stored, rows, np.array([4, 5, 9])))
    assert [(place.start, place.stop) for place, _ in parts] == [(0, 3), (3, 6)]
    joined = np.concatenate([betas for _, betas in parts], axis=1)
    assert_allclose(joined, things.betas[np.ix_(rows, [4, 5, 9])].T, rtol=1e-6)


def test_a_frame_that_pandas_wrote_is_read_the_same(own_things):
    pytest.importorskip("tables", reason="pip install tables, to let pandas write the file")
    import pandas

    frame = pandas.DataFrame(own_things.betas)
    frame.insert(0, "voxel_id", np.arange(len(frame)))
    path = own_things.folder / "sub-02_ResponseData.h5"
    for options in ({}, {"complevel": 3}):
        frame.to_hdf(path, key="ResponseData", mode="w", **options)
        with opened_responses(path, 30, np.arange(40)) as stored:
            assert np.array_equal(stored[:], own_things.betas)

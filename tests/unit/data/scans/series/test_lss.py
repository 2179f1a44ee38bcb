"""One matrix of weights against nilearn's own fit of a model a trial."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import FirstLevelModel, make_first_level_design_matrix, run_glm

from mindeye.data.scans.series import lss
from mindeye.data.scans.series.confounds import Confounds

TIMES = 1.5 * np.arange(120)
STEP = 1.5 / 50
# nilearn rounds onsets to these steps; on them, it has nothing to round.
ONSETS = STEP * np.array([130, 301, 543, 830, 1060, 1407, 1850, 2033, 2680, 4030]) - 1e-6
DURATIONS = np.full(len(ONSETS), 3.0)
NO_CONFOUNDS = Confounds((), np.empty((len(TIMES), 0)))


@pytest.fixture(scope="module")
def confounds():
    values = np.random.default_rng(2).normal(size=(len(TIMES), 3)).cumsum(0)
    return Confounds(("trans_x", "trans_y", "rot_z"), values)


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(3)
    return (1000 + rng.normal(0, 20, (len(TIMES), 8))).astype(np.float32)


def separate_designs(confounds, others=()):
    """nilearn's design of each trial's own model, its column called `this`."""
    events = [{"onset": one, "duration": 3.0, "trial_type": "rest_of_them"} for one in ONSETS]
    events += [{"onset": one, "duration": 0.51, "trial_type": "press"} for one in others]
    for row in range(len(ONSETS)):
        table = pd.DataFrame(events)
        table.loc[row, "trial_type"] = "this"
        yield make_first_level_design_matrix(
            TIMES,
            table,
            hrf_model="glover",
            drift_model="cosine",
            high_pass=0.01,
            add_regs=confounds.values,
            add_reg_names=list(confounds.names),
        )


@pytest.fixture(scope="module")
def nilearn_peak():
    """Of nilearn's response to 3 s, which is below 1; ours peaks at 1."""
    event = pd.DataFrame([{"onset": -1e-6, "duration": 3.0, "trial_type": "this"}])
    fine = np.arange(0, 60, STEP)
    design = make_first_level_design_matrix(fine, event, drift_model=None, oversampling=1)
    return design["this"].max()


@pytest.mark.parametrize("presses", [(), (12.0 - 1e-6, 69.9 - 1e-6)])
def test_betas_are_those_of_one_fit_a_trial(series, confounds, nilearn_peak, presses):
    """In double precision, with button presses as a column of their own."""
    scaled = 100 * (series.astype(np.float64) / series.mean(0, dtype=np.float64) - 1)
    expected = []
    for design in separate_designs(confounds, presses):
        _, fits = run_glm(scaled, design.to_numpy(), noise_model="ols")
        expected.append(fits[0.0].theta[design.columns.get_loc("this")] * nilearn_peak)
    others = {"press": tuple((onset, 0.51) for onset in presses)} if presses else {}
    nuisance = lss.nuisance_columns(TIMES, others, confounds, 0.01)
    responses = lss.trial_responses(TIMES, ONSETS, DURATIONS)
    found = lss.percent_betas(series, lss.lss_weights(responses, nuisance))
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)


def test_elsewhere_nilearn_rounds_onsets_and_the_betas_are_nearly_the_same(
    series, confounds, nilearn_peak
):
    shifted = ONSETS + np.linspace(0, STEP, len(ONSETS))
    nuisance = lss.nuisance_columns(TIMES, {}, confounds, 0.01)
    rounded, found = (
        lss.percent_betas(
            series, lss.lss_weights(lss.trial_responses(TIMES, onsets, DURATIONS), nuisance)
        )
        for onsets in (ONSETS, shifted)
    )
    assert 0 < np.abs(found - rounded).max() < 0.1 * rounded.std()


def test_nilearns_documented_loop_gives_the_same_betas(recording, nilearn_peak):
    """Example "Beta-Series Modeling": relabel a trial, fit a `FirstLevelModel`, take its effect."""
    from mindeye.data.scans.series.estimate import estimate, open_series
    from mindeye.data.scans.series.request import MOTION, SeriesRequest

    found = estimate(open_series(recording.root, SeriesRequest()), np.arange(60))[:12]
    table = pd.read_csv(recording.file(1, "desc-confounds_timeseries.tsv"), sep="\t")
    events = pd.read_csv(recording.events(1), sep="\t")[["onset", "duration", "trial_type"]]
    for row in range(len(events)):
        relabelled = events.copy()
        relabelled.loc[row, "trial_type"] = "picture__one"
        model = FirstLevelModel(
            t_r=1.5,
            noise_model="ols",
            signal_scaling=0,
            mask_img=nibabel.load(recording.file(1, "desc-brain_mask.nii.gz")),
        )
        volumes = nibabel.load(recording.file(1, "desc-preproc_bold.nii.gz"))
        model.fit(volumes, relabelled, confounds=table[list(MOTION)])
        effect = model.compute_contrast("picture__one", output_type="effect_size")
        np.testing.assert_allclose(found[row], effect.get_fdata().ravel() * nilearn_peak, atol=1e-5)


@pytest.mark.parametrize("duration", [0.0, 0.5, 3.0, 12.0])
def test_a_response_peaks_at_1_whatever_its_duration(duration):
    fine = np.arange(0, 80, 0.1)
    responses = lss.trial_responses(fine, np.array([10.0]), np.array([duration]))
    assert responses.max() == pytest.approx(1, abs=2e-3)


def test_an_event_of_0_s_is_as_large_as_a_short_one():
    """nilearn's own regressor of it would be a hundred times smaller, and its betas larger."""
    zero, short = (
        lss.trial_responses(TIMES, ONSETS[:1], np.array([seconds])) for seconds in (0.0, 0.1)
    )
    np.testing.assert_allclose(zero, short, atol=0.02)


def test_a_single_trial_has_no_others():
    responses = lss.trial_responses(TIMES, ONSETS[:1], DURATIONS[:1])
    nuisance = lss.nuisance_columns(TIMES, {}, NO_CONFOUNDS, 0.01)
    series = (1000 + 10 * 2.5 * responses).astype(np.float32).repeat(2, axis=1)
    found = lss.percent_betas(series, lss.lss_weights(responses, nuisance))
    np.testing.assert_allclose(found[0], 2.5, rtol=0.05)


def test_a_trial_whose_response_lies_outside_of_the_scan_is_refused():
    for onset in (-30.0, -23.0, TIMES[-1] - 0.5):
        with pytest.raises(ValueError, match=f"trial at {onset:g} s lies outside of the scan"):
            lss.trial_responses(TIMES, np.array([onset]), np.array([3.0]))


def test_trials_that_a_confound_explains_are_refused():
    responses = lss.trial_responses(TIMES, ONSETS, DURATIONS)
    same = Confounds(("copy",), responses[:, [3]])
    nuisance = lss.nuisance_columns(TIMES, {}, same, 0.01)
    with pytest.raises(ValueError, match=r"1 of 10 trials cannot be told from .* first trial 3"):
        lss.lss_weights(responses, nuisance)


def test_more_columns_than_volumes_are_refused():
    responses = lss.trial_responses(TIMES[:20], ONSETS[:2], DURATIONS[:2])
    noise = np.random.default_rng(0).normal(size=(20, 18))
    with pytest.raises(ValueError, match="20 volumes do not determine a model of 20 columns"):
        lss.lss_weights(responses, noise)


def test_confounds_that_repeat_each_other_change_nothing(series, confounds):
    doubled = Confounds(
        (*confounds.names, "twice", "nothing"),
        np.hstack([confounds.values, 1e4 * confounds.values[:, :1], np.zeros((len(TIMES), 1))]),
    )
    responses = lss.trial_responses(TIMES, ONSETS, DURATIONS)
    one, two = (
        lss.percent_betas(
            series, lss.lss_weights(responses, lss.nuisance_columns(TIMES, {}, given, 0.01))
        )
        for given in (confounds, doubled)
    )
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_voxels_without_signal_have_no_betas(series):
    responses = lss.trial_responses(TIMES, ONSETS, DURATIONS)
    weights = lss.lss_weights(responses, np.ones((len(TIMES), 1)))
    spoilt = series.copy()
    spoilt[:, 0], spoilt[:, 1], spoilt[5, 2] = 7, -spoilt[:, 1], np.nan
    found = lss.percent_betas(spoilt, weights)
    assert np.isnan(found[:, :3]).all()
    np.testing.assert_array_equal(found[:, 3:], lss.percent_betas(series, weights)[:, 3:])


def test_blocks_of_voxels_are_only_for_memory(series, monkeypatch):
    responses = lss.trial_responses(TIMES, ONSETS, DURATIONS)
    weights = lss.lss_weights(responses, np.ones((len(TIMES), 1)))
    whole = lss.percent_betas(series, weights)
    monkeypatch.setattr(lss, "_VOXELS_AT_ONCE", 3)
    np.testing.assert_allclose(lss.percent_betas(series, weights), whole, rtol=1e-5)

"""Planted betas come back from a simulated series, and runs that do not fit are refused."""

import json
import shutil

import nibabel
import numpy as np
import pytest

from mindeye.data.scans.series.estimate import estimate, open_series
from mindeye.data.scans.series.request import SeriesRequest

ASKED = SeriesRequest()
ALL = np.arange(60)


def estimated(recording, asked=ASKED):
    return estimate(open_series(recording.root, asked), ALL)


def rewrite(path, change):
    """Changes the values and keeps the header."""
    image = nibabel.load(path)
    values = change(np.asarray(image.dataobj).copy())
    nibabel.save(nibabel.Nifti1Image(values, image.affine, image.header), path)


def test_planted_betas_are_recovered_in_their_unit(recording):
    found, planted = estimated(recording), recording.betas.reshape(24, 60)
    assert found.dtype == np.float32
    each = [np.corrcoef(found[:, one], planted[:, one])[0, 1] for one in ALL]
    assert np.corrcoef(found.ravel(), planted.ravel())[0, 1] > 0.95
    assert min(each) > 0.85
    assert np.polyfit(planted.ravel(), found.ravel(), 1)[0] == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("duration", [0.0, 0.3])
def test_short_events_give_betas_of_the_same_size(write_fmriprep, tmp_path, duration):
    made = write_fmriprep(tmp_path / "short", duration=duration)
    slope = np.polyfit(made.betas.ravel(), estimated(made).ravel(), 1)[0]
    assert slope == pytest.approx(1, abs=0.06)


def test_the_order_of_lines_in_the_events_does_not_matter(recording):
    before, trials = estimated(recording), open_series(recording.root, ASKED).trials
    header, *lines = recording.events(1).read_text().splitlines()
    shuffled = [lines[row] for row in np.random.default_rng(0).permutation(len(lines))]
    assert shuffled != lines
    recording.events(1).write_text("\n".join([header, *shuffled]) + "\n")
    np.testing.assert_array_equal(estimated(recording), before)
    assert open_series(recording.root, ASKED).trials == trials


def test_trials_are_numbered_over_runs_and_repeats_are_counted(recording):
    trials = open_series(recording.root, ASKED).trials
    assert [trial.trial for trial in trials] == list(range(24))
    assert [trial.run for trial in trials] == [1] * 12 + [2] * 12
    assert [trial.repeat for trial in trials if trial.name == "image0.png"] == [0, 1, 2]


def test_motion_that_is_not_modelled_costs_betas(recording):
    planted = recording.betas.ravel()
    fewer = SeriesRequest(confounds=("trans_x",))
    with_motion, without = (
        np.corrcoef(estimated(recording, asked).ravel(), planted)[0, 1] for asked in (ASKED, fewer)
    )
    assert without < with_motion - 0.01


def test_derivatives_without_a_first_value_are_taken(recording):
    asked = SeriesRequest(confounds=("trans_?", "rot_?", "*_derivative1", "framewise_displacement"))
    series = open_series(recording.root, asked)
    assert {run.num_confounds for run in series.runs} == {13}
    assert np.isfinite(estimate(series, ALL)).all()


def test_the_scale_of_the_scanner_does_not_matter(recording):
    before = estimated(recording)
    for run in (1, 2):
        rewrite(recording.file(run, "desc-preproc_bold.nii.gz"), lambda values: values * 1e-3)
    np.testing.assert_allclose(estimated(recording), before, atol=2e-5)


def test_a_later_first_volume_moves_the_model(recording):
    before = estimated(recording)
    for run in (1, 2):
        path = recording.file(run, "desc-preproc_bold.json")
        path.write_text(json.dumps({"RepetitionTime": 1.5, "StartTime": 0.75}))
    planted = recording.betas.ravel()
    shifted = estimated(recording)
    assert np.corrcoef(before.ravel(), planted)[0, 1] > np.corrcoef(shifted.ravel(), planted)[0, 1]


def test_voxels_that_are_no_brain_in_one_run_have_no_betas(recording):
    def without_first(values):
        values[0, 0, 0] = 0
        return values

    rewrite(recording.file(2, "desc-brain_mask.nii.gz"), without_first)
    found = estimated(recording)
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1:]).all()


def test_brain_masks_without_a_common_voxel_are_refused(recording):
    for run, half in ((1, slice(0, 2)), (2, slice(2, 5))):
        rewrite(
            recording.file(run, "desc-brain_mask.nii.gz"),
            lambda values, half=half: (
                np.where(np.arange(5)[:, None, None] // 1 < half.stop, 1, 0)
                * (np.arange(5)[:, None, None] >= half.start)
                * values
            ),
        )
    with pytest.raises(ValueError, match="No voxel lies in all 2 brain masks"):
        open_series(recording.root, ASKED)


def test_progress_counts_the_volumes_of_all_runs(recording):
    seen = []
    series = open_series(recording.root, ASKED)
    estimate(series, ALL[:3], lambda done, total: seen.append((done, total)))
    total = sum(run.timing.num_volumes for run in series.runs)
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_some_voxels_are_the_same_as_in_the_whole_brain(recording):
    series = open_series(recording.root, ASKED)
    np.testing.assert_allclose(
        estimate(series, ALL[7::9]), estimate(series, ALL)[:, 7::9], atol=1e-6
    )


def test_a_mask_of_another_shape_is_refused(recording):
    rewrite(recording.file(2, "desc-brain_mask.nii.gz"), lambda values: values[1:])
    with pytest.raises(ValueError, match=r"has grid \(4, 4, 3\), but the volume has \(5, 4, 3\)"):
        open_series(recording.root, ASKED)


@pytest.mark.parametrize("how", ["shape", "affine"])
def test_runs_of_different_voxels_are_refused(recording, how):
    for ending in ("desc-preproc_bold.nii.gz", "desc-brain_mask.nii.gz"):
        path = recording.file(2, ending)
        image = nibabel.load(path)
        values, affine = np.asarray(image.dataobj), image.affine.copy()
        if how == "shape":
            values = values[1:]
        else:
            affine[0, 3] += 2
        changed = nibabel.Nifti1Image(values, affine, image.header)
        nibabel.save(changed, path)
    with pytest.raises(ValueError, match=r"run-2.* has another grid than .*run-1"):
        open_series(recording.root, ASKED)


def test_confounds_of_another_run_length_are_refused(recording):
    path = recording.file(1, "desc-confounds_timeseries.tsv")
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")
    with pytest.raises(
        ValueError, match=r"run-1_desc-confounds.* has \d+ rows, but the series has"
    ):
        open_series(recording.root, ASKED)


def test_a_trial_that_cannot_be_estimated_is_named_with_its_run(recording):
    last = open_series(recording.root, ASKED).runs[1].timing.times_s[-1]
    with recording.events(2).open("a") as file:
        file.write(f"{last}\t3\tpicture\tlate.png\n")
    with pytest.raises(
        ValueError, match=r"run-2_space-T1w.*run-02_events.tsv: The response to the"
    ):
        open_series(recording.root, ASKED)


def test_a_cut_off_series_is_refused(recording):
    path = recording.file(2, "desc-preproc_bold.nii.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"run-2.*cannot be read .* Was it cut off"):
        estimated(recording)


def test_a_volume_alone_is_no_series(recording):
    rewrite(recording.file(1, "desc-preproc_bold.nii.gz"), lambda values: values[..., 0])
    with pytest.raises(ValueError, match=r"has shape \(5, 4, 3\)\. A time series of several"):
        open_series(recording.root, ASKED)


@pytest.mark.parametrize("high_pass_hz", [0.0, -0.01, 5.0])
def test_a_high_pass_that_is_no_frequency_of_drift_is_refused(recording, high_pass_hz):
    with pytest.raises(ValueError, match="Give 0 to 1 Hz"):
        open_series(recording.root, SeriesRequest(high_pass_hz=high_pass_hz))


def test_the_folder_of_one_subject_is_enough(recording, tmp_path):
    whole = estimated(recording)
    alone = shutil.copytree(recording.folder, tmp_path / "alone")
    series = open_series(alone, SeriesRequest(events=recording.root))
    np.testing.assert_array_equal(estimate(series, ALL), whole)

"""Which files belong to a run, and what is refused because it could be meant otherwise."""

import shutil
from pathlib import Path

import pytest

from mindeye.data.scans.series.request import SeriesRequest
from mindeye.data.scans.series.runs import find_runs

ASKED = SeriesRequest()


def touched(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def names_of(run: str) -> tuple[str, ...]:
    return (
        f"{run}_space-T1w_desc-preproc_bold.nii.gz",
        f"{run}_space-T1w_desc-brain_mask.nii.gz",
        f"{run}_desc-confounds_timeseries.tsv",
    )


def test_runs_come_in_their_order_with_their_files(recording):
    runs = find_runs(recording.root, ASKED)
    assert [run.number for run in runs] == [1, 2]
    assert [run.events for run in runs] == [recording.events(1), recording.events(2)]
    assert runs[1].mask == recording.file(2, "desc-brain_mask.nii.gz")
    assert runs[1].confounds == recording.file(2, "desc-confounds_timeseries.tsv")
    assert runs[0].sidecar == recording.file(1, "desc-preproc_bold.json")
    assert runs[0].sidecar.exists()
    assert runs[0].prefix == "sub-01_task-nsd_space-T1w"


def test_run_10_comes_after_run_9(recording, tmp_path):
    folder = tmp_path / "many"
    for number in (10, 9, 1):
        touched(folder, *names_of(f"sub-01_ses-03_task-nsd_run-{number}"))
        touched(folder, f"sub-01_ses-03_task-nsd_run-{number}_events.tsv")
    runs = find_runs(folder, ASKED)
    assert [(run.session, run.number) for run in runs] == [(3, 1), (3, 9), (3, 10)]


@pytest.mark.parametrize("where", ["beside", "around", "named folder", "named file"])
def test_events_are_found_beside_around_or_where_they_are_named(recording, tmp_path, where):
    recording.file(2, "desc-preproc_bold.nii.gz").unlink()
    wanted, asked = recording.events(1), ASKED
    if where == "beside":
        # What lies beside the series is believed before what lies around.
        wanted = recording.folder / recording.events(1).name
        shutil.copy(recording.events(1), wanted)
    elif where.startswith("named"):
        wanted = tmp_path / "raw" / "sub-01" / "func" / recording.events(1).name
        wanted.parent.mkdir(parents=True)
        shutil.copy(recording.events(1), wanted)
        asked = SeriesRequest(events=tmp_path / "raw" if where == "named folder" else wanted)
    (run,) = find_runs(recording.folder, asked)
    assert run.events == wanted


def test_one_table_of_events_is_not_taken_for_two_runs(recording):
    with pytest.raises(ValueError, match=r"is one table of events, but .* has 2 runs"):
        find_runs(recording.folder, SeriesRequest(events=recording.events(1)))


def test_a_run_without_events_is_refused(recording, tmp_path):
    recording.events(2).unlink()
    with pytest.raises(FileNotFoundError, match=r"no \*_events.tsv of .*run-2.*Name the raw BIDS"):
        find_runs(recording.root, ASKED)
    with pytest.raises(FileNotFoundError, match="nowhere is missing"):
        find_runs(recording.root, SeriesRequest(events=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("desc-brain_mask.nii.gz", "is missing, the brain mask of"),
        ("desc-confounds_timeseries.tsv", r"has no \*_desc-confounds_timeseries.tsv of"),
    ],
)
def test_a_run_without_mask_or_confounds_is_refused(recording, ending, told):
    recording.file(2, ending).unlink()
    with pytest.raises(FileNotFoundError, match=told):
        find_runs(recording.root, ASKED)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("sub-02_task-nsd_run-1_space-T1w", "2 of `sub`: 01, 02. Give the folder of one subject"),
        ("sub-01_ses-2_task-nsd_run-1_space-T1w", "2 of `ses`: 2, none. Give the folder of one"),
        ("sub-01_task-rest_space-T1w", "2 of `task`: nsd, rest. Pick one with --task"),
        ("sub-01_task-nsd_run-1_space-MNI", "2 of `space`: MNI, T1w. Pick one with --space"),
        ("sub-01_task-nsd_run-1", "2 of `space`: T1w, none. Pick one with --space"),
        ("sub-01_task-nsd_run-1_space-T1w_res-2", "2 of `res`: 2, none"),
    ],
)
def test_several_subjects_sessions_tasks_or_spaces_are_refused(recording, other, told):
    touched(recording.folder, f"{other}_desc-preproc_bold.nii.gz")
    with pytest.raises(ValueError, match=told):
        find_runs(recording.root, ASKED)


def test_a_space_and_a_task_are_chosen_by_name(recording):
    touched(recording.folder, "sub-01_task-rest_space-T1w_desc-preproc_bold.nii.gz")
    touched(recording.folder, "sub-01_task-nsd_run-1_space-MNI_desc-preproc_bold.nii.gz")
    runs = find_runs(recording.root, SeriesRequest(space="T1w", task="nsd"))
    assert [run.number for run in runs] == [1, 2]
    with pytest.raises(LookupError, match=r"no time series of space T2w\. Pick one of MNI, T1w"):
        find_runs(recording.root, SeriesRequest(space="T2w", task="nsd"))


def test_two_tables_of_one_run_are_refused(recording):
    touched(recording.events(1).parent, "sub-01_task-nsd_run-1_events.tsv")
    with pytest.raises(ValueError, match="are both of the run of"):
        find_runs(recording.root, ASKED)


def test_a_run_that_was_preprocessed_twice_is_not_counted_twice(recording):
    shutil.copytree(recording.folder, recording.root / "derivatives" / "again")
    with pytest.raises(ValueError, match=r"are the same run\. Give the folder of one of them"):
        find_runs(recording.root, ASKED)


def test_raw_series_are_sent_to_fmriprep(tmp_path):
    touched(tmp_path / "raw", "sub-01_task-nsd_run-1_bold.nii.gz")
    with pytest.raises(FileNotFoundError, match="holds no time series in a volume that fMRIPrep"):
        find_runs(tmp_path / "raw", ASKED)

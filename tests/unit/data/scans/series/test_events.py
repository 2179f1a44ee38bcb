from pathlib import Path

import numpy as np
import pytest

from mindeye.data.scans.series.events import read_events
from mindeye.data.scans.series.runs import RunFiles
from mindeye.data.scans.series.timing import Timing

TIMING = Timing(2.0, 0.0, 50)


@pytest.fixture
def events(tmp_path):
    """(text of events.tsv, columns by blanks) -> what is read."""

    def read(text):
        path = tmp_path / "events.tsv"
        path.write_text("\n".join("\t".join(line.split()) for line in text.splitlines()) + "\n")
        absent = Path("absent")
        files = {"series": absent, "sidecar": absent, "mask": absent, "confounds": absent}
        return read_events(RunFiles(**files, events=path, number=4, session=2), TIMING)

    return read


def test_lines_that_name_an_image_are_trials_in_the_order_of_their_onsets(events):
    found = events("onset duration trial_type stim_file\n20 3 show b.png\n10 2.5 show a.png")
    assert [(trial.name, trial.session, trial.run) for trial in found.trials] == [
        ("a.png", 2, 4),
        ("b.png", 2, 4),
    ]
    np.testing.assert_array_equal(found.onsets_s, [10, 20])
    np.testing.assert_array_equal(found.durations_s, [2.5, 3])
    assert found.others == {}


def test_events_without_an_image_are_modelled_by_type_or_are_rest(events):
    found = events(
        "onset duration trial_type stim_file\n"
        "10 3 show a.png\n14 1 press n/a\n20 3 show b.png\n24 1 press n/a\n"
        "30 3 n/a n/a\n40 3 blank n/a"
    )
    assert len(found.trials) == 2
    assert found.others == {"press": ((14, 1), (24, 1))}


@pytest.mark.parametrize(
    ("header", "cell", "image"),
    [
        ("73KID", "17", 16),
        ("image_id", "17", 17),
        ("nsdId", "17", 17),
        ("stimulus", "a.png", "a.png"),
        ("trial_type", "face", "face"),
    ],
)
def test_images_are_named_as_in_any_table_of_trials(events, header, cell, image):
    assert events(f"onset duration {header}\n5 3 {cell}").trials[0].image == image


def test_where_there_are_ids_what_has_none_is_no_trial(events):
    found = events(
        "onset duration trial_type 73KID\n5 3 show 9\n8 n/a press n/a\n9 3 show 10\n14 3 rest n/a"
    )
    assert [trial.image_id for trial in found.trials] == [8, 9]
    assert found.others == {"press": ((8, 0),), "rest": ((14, 3),)}


def test_what_else_stands_in_the_columns_of_other_tools_does_not_matter(events):
    found = events("onset duration stim_file run trial session\n5 3 a.png run-1 first ses-2")
    assert (found.trials[0].run, found.trials[0].session) == (4, 2)


def test_rest_may_have_no_times(events):
    assert len(events("onset duration stim_file\n5 3 a.png\nn/a n/a n/a").trials) == 1


def test_an_empty_stim_file_leaves_the_trial_type(events):
    found = events("onset duration trial_type stim_file\n5 3 face n/a\n9 3 house n/a")
    assert [trial.name for trial in found.trials] == ["face", "house"]


def test_events_of_0_s_are_taken(events):
    np.testing.assert_array_equal(events("onset duration stim_file\n5 0 a.png").durations_s, [0])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("onset duration stim_file", "has no event. Without trials"),
        ("onset duration stim_file\n5 3 n/a", "None of the 1 events .* names an image"),
        ("onset stim_file\n5 a.png", "has no column `duration`"),
        ("start duration stim_file\n5 3 a.png", "has no column `onset`"),
        ("onset duration response\n5 3 left", "none says which image was shown"),
        ("onset duration stim_file\nn/a 3 a.png", "line 2 has 'n/a' in column `onset`"),
        ("onset duration stim_file\n5 n/a a.png", "line 2 has 'n/a' in column `duration`"),
        ("onset duration stim_file\n5 -1 a.png", "line 2 has duration -1 s"),
        (
            "onset duration stim_file\n5 3 a.png\n100 3 b.png",
            r"line 3 has a trial at 100 s, but the scan ends at 100 s \(50 volumes of 2 s\)",
        ),
        ("onset duration stim_file\n5 3 a.png\n5 3 b.png", "lines 2 and 3 are two trials at 5 s"),
    ],
)
def test_events_that_cannot_be_used_are_refused_by_line(events, text, told):
    with pytest.raises(ValueError, match=told):
        events(text)

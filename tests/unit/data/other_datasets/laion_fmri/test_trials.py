"""A session's table of trials, as the documentation prints it and broken."""

import re

import pytest

from mindeye.data.other_datasets.laion_fmri.trials import read_trials

HEADER = "session\trun\tbeta_index\tlabel"
ROWS = (
    "ses-01\t1\t0\tunique_LAION_new_cluster_475_i49_p01.jpg",
    "ses-01\t1\t1\tshared_12rep_LAION_cluster_2677_i5.jpg",
    "ses-01\t2\t2\tunique_LAION_initial_cluster_4651_i2_p01.jpg",
)


def write_table(path, rows=ROWS, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_table_is_read_as_it_is_printed_in_the_documentation(tmp_path):
    trials = read_trials(write_table(tmp_path / "trials.tsv"), 1, 1)
    assert trials.runs == (1, 1, 2)
    assert trials.labels == tuple(row.split("\t")[3] for row in ROWS)
    assert trials.num_unlabelled == 0


def test_windows_line_ends_and_padded_numbers_read_the_same(tmp_path):
    plain = read_trials(write_table(tmp_path / "plain.tsv"), 1, 1)
    rows = [row.replace("ses-01\t", "1\trun-0") for row in ROWS]
    path = tmp_path / "windows.tsv"
    path.write_bytes(("\ufeff" + "\r\n".join([HEADER, *rows, ""])).encode())
    assert read_trials(path, 1, 1) == plain


def test_rows_without_an_image_are_kept_and_counted(tmp_path):
    rows = [*ROWS[:2], "ses-01\t2\t2\tblank", "ses-01\t2\t3\t"]
    trials = read_trials(write_table(tmp_path / "trials.tsv", rows), 1, 1)
    assert trials.labels[2:] == (None, None)
    assert trials.num_unlabelled == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ROWS[0], ROWS[0], ROWS[2]], "beta_index 0 stands in lines [2, 3]"),
        ([ROWS[1], ROWS[0], ROWS[2]], "line 2 has beta_index `1`, not 0"),
        ([ROWS[0], ROWS[2]], "line 3 has beta_index `2`, not 1"),
        ([ROWS[0].replace("\t0\t", "\tx\t")], "line 2 has beta_index `x`, not 0"),
        ([ROWS[0].replace("ses-01", "ses-02")], "line 2 is of session `ses-02`"),
        ([ROWS[0].replace("\t1\t", "\t13\t", 1)], "line 2 has run `13`"),
        ([ROWS[0].replace("p01", "p05")], "one of subject 7's"),
        ([ROWS[0].replace("unique", "cat")], "neither `shared_...` nor `unique_...`"),
        ([ROWS[0], "ses-01\t1"], "line 3 has another number of cells"),
        ([ROWS[0] + "\tmore"], "line 2 has another number of cells"),
        ([], "has no rows"),
    ],
)
def test_a_broken_table_is_refused_by_what_is_wrong_with_it(tmp_path, rows, said):
    path = write_table(tmp_path / "trials.tsv", rows)
    with pytest.raises(ValueError, match=re.escape(said)) as refusal:
        read_trials(path, 1, 1)
    assert str(path) in str(refusal.value)


def test_a_table_with_other_columns_names_those_that_are_missing(tmp_path):
    path = write_table(tmp_path / "trials.tsv", header="session\trun\ttrial\tstimulus_id")
    with pytest.raises(ValueError, match=r"beta_index, label is missing"):
        read_trials(path, 1, 1)
    with pytest.raises(FileNotFoundError, match=r"absent.tsv is missing"):
        read_trials(tmp_path / "absent.tsv", 1, 1)

import pytest

from mindeye.data.scans.checks import check_repeats, check_trials
from mindeye.data.scans.table import counted_trials, read_table


@pytest.fixture
def table(tmp_path):
    """(lines, name, line end) -> path."""

    def write(*lines, name="trials.tsv", end="\n"):
        path = tmp_path / name
        path.write_text(end.join(lines) + end, newline="", encoding="utf-8")
        return path

    return write


def test_a_table_is_read_row_by_row(table):
    path = table("trial\timage_id\tsession\trun\tname", "1\t7\t2\t1\tdog", "2\t9\t2\t1\tcat")
    read = read_table(path, 2)
    assert [(row.trial, row.image_id, row.session, row.run, row.name) for row in read.rows] == [
        (1, 7, 2, 1, "dog"),
        (2, 9, 2, 1, "cat"),
    ]
    assert read.image_ids == (7, 9)
    assert read.source == "trials.tsv"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_of_windows_and_byte_order_marks_change_nothing(table, end, start):
    read = read_table(table(f"{start}image_id\tname", "3\tdog", "4\tcat", end=end), 2)
    assert read.image_ids == (3, 4)
    assert read.rows[1].name == "cat"


def test_commas_separate_too_also_within_quotes(table):
    read = read_table(table("image_id,name", '3,"a dog, asleep"', name="trials.csv"), 1)
    assert read.rows[0].name == "a dog, asleep"


def test_nsds_own_table_counts_images_from_one(table):
    read = read_table(table("SUBJECT\tSESSION\tRUN\tTRIAL\t73KID", "1\t1\t1\t1\t46003"), 1)
    row = read.rows[0]
    assert (row.image_id, row.session, row.run, row.trial) == (46002, 1, 1, 1)


def test_labels_sessions_and_runs_may_be_written_as_bids_and_laion_fmri_write_them(table):
    lines = ("session\trun\tbeta_index\tlabel", "ses-02\trun-1\t0\ta.jpg", "ses-02\t1\t1\tb.jpg")
    read = read_table(table(*lines), 2)
    assert [(row.session, row.run, row.name) for row in read.rows] == [
        (2, 1, "a.jpg"),
        (2, 1, "b.jpg"),
    ]


def test_repeats_are_counted_as_shown_or_taken_from_the_table(table):
    read = read_table(table("name", "dog", "cat", "dog", "dog"), 4)
    assert [row.repeat for row in read.rows] == [0, 0, 1, 2]
    assert [row.image for row in read.rows] == ["dog", "cat", "dog", "dog"]
    told = read_table(table("name\trepeat", "dog\t2", "cat\t0"), 2)
    assert [row.repeat for row in told.rows] == [2, 0]


def test_a_table_without_an_image_column_says_which_columns_it_has(table):
    with pytest.raises(ValueError, match="has the columns onset, duration, and none says which"):
        read_table(table("onset\tduration", "1\t2"), 1)


@pytest.mark.parametrize("num_rows", [30_001, 29_999])
def test_one_row_too_many_or_too_few_is_refused_with_both_numbers(table, num_rows):
    path = table("image_id", *map(str, range(num_rows)))
    with pytest.raises(ValueError, match=f"{num_rows} rows, but the scan has 30000 trials"):
        read_table(path, 30_000)


def test_rows_without_an_image_are_dropped_where_the_scan_has_no_betas_for_them(table):
    path = table("image_id\tname", "3\tdog", "n/a\tblank", "", "4\tcat")
    read = read_table(path, 2)
    assert (read.image_ids, read.dropped) == ((3, 4), (3, 4))
    assert "2 rows without an image were left out, first lines 3, 4" in check_trials(read).seen
    with pytest.raises(
        ValueError, match=r"4 rows \(2 of them without an image\), but the scan has"
    ):
        read_table(path, 3)


def test_rows_without_an_image_stay_where_the_scan_has_betas_for_them(table):
    read = read_table(table("image_id", "3", "nan", "4"), 3)
    assert (read.image_ids, read.dropped) == ((3, None, 4), ())


def test_blank_lines_at_the_end_are_no_rows(table):
    assert len(read_table(table("image_id", "3", "", ""), 1)) == 1


def test_a_trial_that_stands_twice_is_refused_with_both_lines(table):
    path = table("trial\timage_id\tsession", "1\t3\t1", "1\t3\t2", "1\t3\t1")
    with pytest.raises(ValueError, match=r"lines 2 and 4 are the same trial \(1 of session 1"):
        read_table(path, 3)


@pytest.mark.parametrize("cell", ["3.5", "dog", "0x3"])
def test_a_cell_that_is_no_whole_number_is_named(table, cell):
    with pytest.raises(ValueError, match=f"line 3 has '{cell}' in column `image_id`"):
        read_table(table("image_id", "3.0", cell), 2)


def test_ids_below_0_are_refused(table):
    with pytest.raises(ValueError, match=r"line 2 has image id -1\. Ids count from 0"):
        read_table(table("73KID", "0"), 1)


def test_a_line_that_was_cut_off_and_a_file_that_is_no_table_are_named(table, tmp_path):
    with pytest.raises(ValueError, match="line 3 has 1 cells, but the header has 2"):
        read_table(table("image_id\tname", "3\tdog", "4"), 2)
    with pytest.raises(FileNotFoundError, match=r"The table .*absent"):
        read_table(tmp_path / "absent.tsv", 2)
    (tmp_path / "bytes.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bytes\.tsv is no text"):
        read_table(tmp_path / "bytes.tsv", 2)
    (tmp_path / "empty.tsv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.tsv has no header"):
        read_table(tmp_path / "empty.tsv", 2)


def test_an_image_in_two_splits_is_refused(table):
    path = table("name\tsplit", "dog\ttrain", "cat\ttest", "dog\ttest")
    with pytest.raises(ValueError, match="image dog in the splits train and test"):
        read_table(path, 3)


def test_without_a_table_trials_are_only_counted():
    table = counted_trials(3)
    assert check_trials(table).status == "skipped"
    assert check_repeats(table, "array in npy").status == "skipped"
    assert table.image_ids == (None, None, None)


def test_betas_of_glmsingles_later_models_need_repeats(table):
    unique = read_table(table("image_id", "1", "2", "3"), 3)
    failed = check_repeats(unique, "GLMsingle TYPED_FITHRF_GLMDENOISE_RR")
    assert failed.status == "failed"
    assert "None of 3 images repeats, but these betas say TYPED" in failed.seen
    assert check_repeats(unique, "GLMsingle TYPEB_FITHRF").status == "passed"
    repeated = read_table(table("image_id", "1", "2", "1"), 3)
    passed = check_repeats(repeated, "GLMsingle TYPED_FITHRF_GLMDENOISE_RR")
    assert (passed.status, passed.seen) == ("passed", "3 trials of 2 images.")


def test_two_trials_cannot_be_the_same_repeat_of_an_image(table):
    twice = read_table(table("image_id\trepeat", "1\t0", "2\t0", "1\t0"), 3)
    failed = check_repeats(twice, "array in npy")
    assert failed.status == "failed"
    assert failed.seen == "Image 1 has 2 trials that are all its repeat 0."

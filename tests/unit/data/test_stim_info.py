import numpy as np
import pytest

from mindeye.data.stim_info import read_stim_info


@pytest.fixture
def own_table(stim_info_path, tmp_path):
    """(edit of the lines) -> a path with the edited table."""

    def edited(edit):
        lines = stim_info_path.read_text().splitlines()
        path = tmp_path / "table.csv"
        path.write_text("\n".join(edit(lines)) + "\n")
        return path

    return edited


def test_rows_are_image_ids_and_trials_count_from_zero(stim_info_path, written):
    info = read_stim_info(stim_info_path)
    np.testing.assert_array_equal(
        np.flatnonzero(info.is_shared), np.unique(written.image_ids[written.is_shared])
    )
    for trial in (0, 1, 749, 29999):
        image_id = written.image_ids[trial]
        assert trial in info.trials[0, :, image_id]
        assert info.is_seen[0, image_id]
    unseen = np.setdiff1d(np.arange(73000), written.image_ids)
    assert (info.trials[0][:, unseen] == -1).all()
    assert not info.is_seen[0, unseen].any()


def test_blank_rows_and_windows_line_ends_are_no_matter(own_table, stim_info_path):
    path = own_table(lambda lines: [*lines[:9], "", *lines[9:], ""])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for found, expected in zip(read_stim_info(path), read_stim_info(stim_info_path), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_tables_that_are_not_nsd_s_are_refused(own_table, tmp_path):
    with pytest.raises(ValueError, match="has 72000 rows whose nsdId do not run from 0 to 72999"):
        read_stim_info(own_table(lambda lines: lines[:72001]))
    with pytest.raises(ValueError, match=r"blank cells in 1 rows, first row 72998 \(from 0\)"):
        read_stim_info(own_table(lambda lines: [*lines[:-2], lines[-2][:60], lines[-1]]))
    with pytest.raises(ValueError, match=r"cannot be read .*subject8_rep2"):
        read_stim_info(own_table(lambda lines: [lines[0].replace("8_rep2", "8"), *lines[1:5]]))
    with pytest.raises(FileNotFoundError, match=r"absent.csv is missing"):
        read_stim_info(tmp_path / "absent.csv")

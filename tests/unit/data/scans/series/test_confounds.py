import numpy as np
import pytest

from mindeye.data.scans.series.confounds import read_confounds
from mindeye.data.scans.series.request import MOTION


@pytest.fixture
def table(tmp_path):
    """(columns with their cells) -> path of the table."""

    def write(**columns):
        rows = [list(columns), *zip(*columns.values())]
        path = tmp_path / "confounds.tsv"
        path.write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
        return path

    return write


def motion(rows=4):
    return {name: [row + place / 10 for row in range(rows)] for place, name in enumerate(MOTION)}


def test_motion_and_unsteady_volumes_are_taken_unless_others_are_named(table):
    path = table(
        global_signal=[5, 5, 5, 5],
        non_steady_state_outlier00=[1, 0, 0, 0],
        **motion(),
        other=[0] * 4,
    )
    names, values = read_confounds(path, None, 4)
    assert names == (*MOTION, "non_steady_state_outlier00")
    np.testing.assert_allclose(values[2], [2, 2.1, 2.2, 2.3, 2.4, 2.5, 0])
    assert read_confounds(path, ["global_signal", "*_x"], 4).names == (
        "global_signal",
        "trans_x",
        "rot_x",
    )
    assert read_confounds(table(**motion()), None, 4).names == MOTION


def test_what_is_missing_in_the_first_volume_is_taken_from_the_second(table):
    path = table(**motion(), trans_x_derivative1=["n/a", 0.5, 0.25, 0.125])
    _, values = read_confounds(path, ["trans_x_derivative1"], 4)
    np.testing.assert_array_equal(values[:, 0], [0.5, 0.5, 0.25, 0.125])


@pytest.mark.parametrize("cells", [["n/a", "n/a", 1, 2], [1, 2, "n/a", 3], [1, 2, "inf", 3]])
def test_what_is_missing_later_is_refused(table, cells):
    path = table(**motion(), derivative=cells)
    with pytest.raises(ValueError, match=r"line \d has no value of `derivative`. Only the first"):
        read_confounds(path, ["derivative"], 4)


def test_another_number_of_rows_than_volumes_is_refused(table):
    with pytest.raises(ValueError, match="has 4 rows, but the series has 5 volumes"):
        read_confounds(table(**motion()), None, 5)


def test_an_unknown_confound_is_refused_by_name(table):
    path = table(**motion())
    with pytest.raises(LookupError, match=r"no confound `csf`\. It has trans_x, trans_y"):
        read_confounds(path, ["csf"], 4)
    incomplete = {name: cells for name, cells in motion().items() if name != "rot_z"}
    with pytest.raises(LookupError, match="no confound `rot_z`"):
        read_confounds(table(**incomplete), None, 4)


def test_words_are_no_confounds(table):
    path = table(**{**motion(), "rot_z": [0, "much", 1, 2]})
    with pytest.raises(ValueError, match="holds 'much', no number"):
        read_confounds(path, None, 4)

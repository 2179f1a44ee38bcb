from collections import Counter

import numpy as np
import pytest
import scipy.io

from mindeye.data.design import (
    read_design,
    read_shown_images,
    require_same_images,
    showings,
)

DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
RESPONSES = "nsddata/ppdata/subj01/behav/responses.tsv"


def change(path, **arrays):
    content = {name: value for name, value in scipy.io.loadmat(path).items() if name[0] != "_"}
    scipy.io.savemat(path, {**content, **arrays})


def test_ids_count_from_zero_and_are_wide_enough(written):
    design = read_design(written.root / DESIGN, 1)
    assert design.image_ids.dtype == np.int64
    np.testing.assert_array_equal(design.image_ids, written.image_ids)
    np.testing.assert_array_equal(design.is_shared, written.is_shared)
    assert design.image_ids.max() > 2**16


def test_sessions_and_runs_follow_the_pattern(written):
    design = read_design(written.root / DESIGN, 1)
    np.testing.assert_array_equal(design.sessions, np.arange(30000) // 750 + 1)
    first = design.runs[design.trials_of(3)]
    np.testing.assert_array_equal(first, np.repeat(np.arange(1, 13), [63, 62] * 6))


def test_repeats_count_the_earlier_showings(written):
    design = read_design(written.root / DESIGN, 1)
    seen: dict[int, int] = {}
    for trial in range(2000):
        image_id = int(design.image_ids[trial])
        assert design.repeats[trial] == seen.get(image_id, 0)
        seen[image_id] = seen.get(image_id, 0) + 1
    assert np.bincount(design.repeats).tolist() == [10000] * 3


def test_fewer_sessions_leave_later_trials_alone(written):
    """The order of trials is longer than the data of most subjects."""
    design = read_design(written.root / DESIGN, 1)
    assert design.trials_of(2).tolist() == list(range(750, 1500))
    assert len(np.unique(design.image_ids[:1500])) == 500
    assert len(design.image_ids) == 30000


def test_ids_that_wrapped_at_16_bits_are_refused(own_tree):
    path = own_tree.root / DESIGN
    wrapped = scipy.io.loadmat(path)["subjectim"].astype(np.uint16)
    change(path, subjectim=wrapped)
    with pytest.raises(ValueError, match="first 1000 images of subject 1 are not `sharedix`"):
        read_design(path, 1)


def test_an_index_beyond_the_images_is_refused(own_tree):
    path = own_tree.root / DESIGN
    change(path, masterordering=np.array([[0, 5, 10000]]))
    with pytest.raises(ValueError, match="masterordering runs from 0 to 10000"):
        read_design(path, 1)


def test_a_damaged_design_is_named(own_tree):
    path = own_tree.root / DESIGN
    content = path.read_bytes()
    for part in (content[:100], content[: len(content) // 2], b"no MATLAB file"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=r"nsd_expdesign.mat cannot be read"):
            read_design(path, 1)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"nsd_expdesign.mat is missing"):
        read_design(path, 1)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_table_and_design_agree_whatever_the_line_ends(own_tree, line_end):
    path = own_tree.root / RESPONSES
    path.write_bytes(path.read_bytes().replace(b"\n", line_end.encode()))
    require_same_images(path, read_design(own_tree.root / DESIGN, 1))


def test_a_table_counted_from_zero_is_refused_with_trial_and_ids(own_tree):
    path, design = own_tree.root / RESPONSES, read_design(own_tree.root / DESIGN, 1)
    lines = path.read_text().splitlines()
    cells = [line.split("\t") for line in lines[1:]]
    shifted = ["\t".join([*row[:2], str(int(row[2]) - 1), *row[3:]]) for row in cells]
    path.write_text("\n".join([lines[0], *shifted]) + "\n")
    first = design.image_ids[0]
    with pytest.raises(ValueError, match=f"trial 0 shows image {first - 1} .* says {first}; 1500"):
        require_same_images(path, design)


def test_too_many_rows_and_missing_columns_are_refused(own_tree):
    path, design = own_tree.root / RESPONSES, read_design(own_tree.root / DESIGN, 1)
    rows = "\n".join(str(image_id + 1) for image_id in design.image_ids)
    path.write_text(f"73KID\n{rows}\n1\n")
    with pytest.raises(ValueError, match="has 30001 rows, but the design has 30000"):
        require_same_images(path, design)
    path.write_text("SUBJECT,73KID\n1,5\n")
    with pytest.raises(ValueError, match="has no column 73KID"):
        require_same_images(path, design)
    path.write_text("SUBJECT\t73KID\n1\tNaN\n")
    with pytest.raises(ValueError, match="row without a whole 73KID"):
        require_same_images(path, design)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_empty_lines_and_a_mark_of_windows_are_skipped(own_tree, line_end):
    path = own_tree.root / RESPONSES
    lines = path.read_bytes().split(b"\n")
    lines[5:5] = [b"", b""]
    path.write_bytes(line_end.join(lines) + line_end * 2)
    np.testing.assert_array_equal(read_shown_images(path), own_tree.image_ids[:1500])
    path.write_bytes(b"\xef\xbb\xbf73KID" + line_end + b"5" + line_end)
    assert read_shown_images(path).tolist() == [4]


@pytest.mark.parametrize("cell", ["", "  ", "NaN", "17.5"])
def test_a_row_without_a_whole_id_is_named_by_its_line(own_tree, cell):
    path = own_tree.root / RESPONSES
    lines = path.read_text().splitlines()
    lines[40] = f"\t\t{cell}\t\t"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"row without a whole 73KID in line 41 "):
        read_shown_images(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"responses.tsv is missing"):
        read_shown_images(tmp_path / "responses.tsv")


def test_showings_count_the_chosen_sessions_only(written):
    design = read_design(written.root / DESIGN, 1)
    image_ids, counts = showings(design, [2])
    expected = Counter(written.image_ids[750:1500].tolist())
    assert dict(zip(image_ids.tolist(), counts.tolist(), strict=True)) == expected

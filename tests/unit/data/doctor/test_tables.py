"""Design, table of images, responses and pictures that contradict each other or are cut."""

import numpy as np
import pytest
import scipy.io

from mindeye import nsd_layout as layout
from mindeye.data.doctor.experiment import design_checks, image_table_checks, stimuli_checks
from mindeye.data.doctor.subject import table_checks
from mindeye.data.nsd import NSDTree


def change_design(root, edit):
    path = root / layout.expdesign_path()
    content = {name: one for name, one in scipy.io.loadmat(path).items() if name[0] != "_"}
    edit(content)
    scipy.io.savemat(path, content)


def only(checks):
    (check,) = checks
    return check


def test_a_cut_design_is_named(whole_tree):
    path = whole_tree.root / layout.expdesign_path()
    path.write_bytes(path.read_bytes()[:2000])
    checks, _ = design_checks(NSDTree(whole_tree.root))
    assert only(checks).state == "wrong"
    assert "nsd_expdesign.mat cannot be read" in only(checks).seen


def test_a_design_whose_images_stand_four_times_is_wrong(whole_tree):
    def edit(content):
        content["masterordering"][0, 0] = content["masterordering"][0, 1]

    change_design(whole_tree.root, edit)
    check = only(design_checks(NSDTree(whole_tree.root))[0])
    assert (check.state, check.seen, check.expected) == (
        *("wrong", "30000, 10000, 4", "30000, 10000, 3"),
    )


def test_the_table_of_images_must_say_what_the_design_says(whole_tree):
    tree = NSDTree(whole_tree.root)
    assert only(image_table_checks(tree, design_checks(tree)[1])).state == "ok"

    def edit(content):
        own = content["subjectim"][2]
        own[[1500, 1501]] = own[[1501, 1500]]

    change_design(whole_tree.root, edit)
    check = only(image_table_checks(tree, design_checks(tree)[1]))
    assert (check.state, check.seen) == ("wrong", "subj03 disagree")


@pytest.mark.parametrize("column", ["shared1000", "subject5"])
def test_the_table_of_images_must_say_who_saw_what(whole_tree, column):
    path = whole_tree.root / layout.stim_info_path()
    lines = path.read_text().splitlines()
    position = lines[0].split(",").index(column) - len(lines[0].split(","))
    cells = lines[700].split(",")
    turned = {"True": "False", "False": "True", "1": "0", "0": "1"}
    cells[position] = turned[cells[position]]
    path.write_text("\n".join([*lines[:700], ",".join(cells), *lines[701:]]) + "\n")
    tree = NSDTree(whole_tree.root)
    assert only(image_table_checks(tree, design_checks(tree)[1])).state == "wrong"


def test_responses_that_contradict_the_design_or_end_early_are_wrong(whole_tree):
    tree = NSDTree(whole_tree.root)
    design = design_checks(tree)[1][1]
    path = whole_tree.root / layout.responses_path(1)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-10]))
    check = only(table_checks(tree, 1, design))
    assert (check.state, check.seen, check.expected) == ("wrong", "1490 rows", "1500 rows")
    path.write_text("\n".join(lines[:751]))
    assert only(table_checks(tree, 1, design)).seen == "750 rows"
    assert only(table_checks(tree, 1, design)).state == "wrong"
    path.write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    check = only(table_checks(tree, 1, design))
    assert check.state == "wrong"
    assert "trial 0 shows image" in check.seen


@pytest.mark.parametrize(("rows", "state"), [(1500, "ok"), (750, "ok"), (700, "wrong")])
def test_responses_of_a_copy_from_before_the_last_sessions_are_right(
    whole_tree, monkeypatch, rows, state
):
    """As if NSD had two sessions, of which the last one was held back."""
    (whole_tree.root / "SIMULATED.json").unlink()
    monkeypatch.setitem(layout.SESSIONS, 1, 2)
    monkeypatch.setattr("mindeye.data.doctor.subject.HELD_BACK_SESSIONS", 1)
    tree = NSDTree(whole_tree.root)
    path = whole_tree.root / layout.responses_path(1)
    path.write_text("\n".join(path.read_text().splitlines()[: rows + 1]))
    assert table_checks(tree, 1, design_checks(tree)[1][1])[0].state == state


def test_half_written_pictures_are_named(whole_tree):
    path = whole_tree.root / layout.stimuli_path()
    path.write_bytes(path.read_bytes()[:4000])
    check = only(stimuli_checks(NSDTree(whole_tree.root)))
    assert check.state == "wrong"
    assert "nsd_stimuli.hdf5 cannot be read" in check.seen


def test_designs_are_those_of_the_tree(whole_tree):
    _, designs = design_checks(NSDTree(whole_tree.root))
    assert designs.keys() == set(range(1, 9))
    np.testing.assert_array_equal(designs[1].image_ids, whole_tree.image_ids)

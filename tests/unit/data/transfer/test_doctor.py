"""The doctor lists what a test needs beside the betas."""

import pytest

from mindeye.data.doctor.examine import examine_nsd

IMAGERY, SYNTHETIC = "what nsdimagery showed", "what nsdsynthetic showed"


@pytest.fixture
def examined(transfer_tree):
    """() -> {name: check} of the tree, which is called made up."""
    (transfer_tree.root / "SIMULATED.json").write_text('{"simulated": true}')

    def examine():
        return {check.name: check for check in examine_nsd(transfer_tree.root, 1).checks}

    return examine


def test_what_was_shown_is_read(examined):
    found = examined()
    assert found[IMAGERY].seen == "12 targets, 192 trials of imagery, 96 trials of vision"
    assert found[SYNTHETIC].seen == "220 shared pictures, 64 own"
    assert {found[name].state for name in (IMAGERY, SYNTHETIC)} == {"ok"}


def test_what_is_missing_or_wrong_is_named(examined, transfer_tree):
    transfer_tree.table_path("visB").unlink()
    folder = transfer_tree.root / "nsddata_stimuli/stimuli/nsdsynthetic"
    (folder / "nsdsynthetic_colorstimuli_subj01.hdf5").rename(folder / "hidden")
    found = examined()
    assert found[IMAGERY].paths == (
        transfer_tree.table_path("visB").relative_to(transfer_tree.root),
    )
    assert found[SYNTHETIC].paths[0].name == "nsdsynthetic_colorstimuli_subj01.hdf5"
    assert not found[IMAGERY].stops
    right = transfer_tree.conditions["visB"]
    transfer_tree.write_table("visB", right[:40], right[:40])
    transfer_tree.write_screens(transfer_tree.screens[:200], transfer_tree.screens[200:])
    found = examined()
    assert "has 40 trials" in found[IMAGERY].seen
    assert {found[name].state for name in (IMAGERY, SYNTHETIC)} == {"wrong"}

from pathlib import Path

import pytest

from mindeye.config import from_mapping, to_mapping
from mindeye.quirks import PUBLISHED, SWITCHES, Quirks, quirks_from


def test_by_default_every_switch_is_off():
    assert Quirks().switched_on() == ()


@pytest.mark.parametrize("system", PUBLISHED)
def test_a_system_sets_its_switches_together(system):
    settled = Quirks(compat=system).resolved()
    assert {name for name in SWITCHES if getattr(settled, name)} == PUBLISHED[system]
    assert all(isinstance(getattr(settled, name), bool) for name in SWITCHES)


def test_every_published_switch_exists():
    assert frozenset().union(*PUBLISHED.values()) == set(SWITCHES) - {"ssim_by_columns"}


def test_a_switch_that_is_given_wins_over_the_system():
    quirks = Quirks(compat="mindeye1", flipped_targets=False, averaged_outputs=True).resolved()
    assert not quirks.flipped_targets
    assert quirks.averaged_outputs
    assert quirks.resolved() == quirks


def test_a_configuration_file_sets_them():
    quirks = from_mapping(Quirks, {"compat": "mindeye2", "shifted_range": False}, "a.yaml")
    assert from_mapping(Quirks, to_mapping(quirks), "again") == quirks
    assert "shifted_range" not in quirks.switched_on()


def test_the_command_line_builds_on_the_run_or_replaces_it():
    run = Quirks(compat="mindeye2")
    assert quirks_from(None, [], run) == run.resolved()
    assert quirks_from("none", [], run).switched_on() == ()
    changed = quirks_from(None, ["averaged_outputs=off", "ssim_by_columns=on"], run)
    assert set(changed.switched_on()) == PUBLISHED["mindeye2"] - {"averaged_outputs"} | {
        "ssim_by_columns"
    }


def test_what_cannot_be_set_is_refused():
    with pytest.raises(LookupError, match="Did you mean `lost_labels`"):
        quirks_from(None, ["lost_label=on"], Quirks())
    with pytest.raises(ValueError, match="Write lost_labels=on or lost_labels=off"):
        quirks_from(None, ["lost_labels=yes"], Quirks())
    with pytest.raises(LookupError, match="Unknown compat `mindeye3`"):
        quirks_from("mindeye3", [], Quirks())


TABLE = Path(__file__).parents[2] / "train" / "README.md"


@pytest.mark.parametrize("name", SWITCHES)
def test_the_documentation_tells_of_each_switch_and_where_it_is_on(name):
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith(f"| `{name}`")).split("|")
    systems = [number for number in "12" if name in PUBLISHED[f"mindeye{number}"]]
    assert row[2].strip() == (", ".join(systems) or "neither")
    assert all(len(cell.strip()) > 20 for cell in row[3:5])

"""Which changes make another run of a folder, and which do not."""

from dataclasses import replace

import pytest

from mindeye.files import read_json, write_json
from mindeye.run import RunFolder
from mindeye.run_identity import are_acceptable, changes_of, identity_of

CONTENTS = {"data": [{"subject": 1}], "networks": {"clip": "a"}, "start": None}


def without(mapping: dict, *path: str) -> dict:
    """A copy without the key at the end of a path."""
    key, *deeper = path
    if not deeper:
        return {name: one for name, one in mapping.items() if name != key}
    return {**mapping, key: without(mapping[key], *deeper)}


@pytest.mark.parametrize(
    "path",
    [
        ("choice",),
        ("schedule", "steps_per_epoch"),
        ("losses", "map_temperature"),
        ("decoder", "backbone", "block_dropout"),
    ],
)
def test_a_key_that_was_added_since_had_its_default(tiny_experiment, path):
    saved = without(identity_of(tiny_experiment, CONTENTS), "config", *path)
    assert changes_of(tiny_experiment, CONTENTS, saved) == []


def test_a_key_that_was_added_since_and_is_set_now_is_a_change(tiny_experiment):
    saved = without(identity_of(tiny_experiment, CONTENTS), "config", "losses", "map_temperature")
    changed = replace(tiny_experiment, losses=replace(tiny_experiment.losses, map_temperature=0.3))
    assert changes_of(changed, CONTENTS, saved) == [
        "config.losses.map_temperature: 0.3 here, 0.2 there"
    ]


def test_a_key_that_nobody_knows_any_more_is_named(tiny_experiment):
    saved = identity_of(tiny_experiment, CONTENTS)
    saved["config"]["schedule"]["tempo"] = 3
    assert changes_of(tiny_experiment, CONTENTS, saved) == [
        "config.schedule.tempo: None here, 3 there"
    ]


def test_an_older_folder_is_the_same_run_and_stays_as_it_is(tiny_experiment, tmp_path):
    run = RunFolder(path=tmp_path / "run")
    run.begin(tiny_experiment, CONTENTS)
    identity = without(read_json(run.path / "identity.json"), "config", "choice")
    write_json(run.path / "identity.json", identity)
    run.begin(tiny_experiment, CONTENTS)
    assert read_json(run.path / "identity.json") == identity


@pytest.mark.parametrize(
    ("change", "acceptable"),
    [
        ("config.schedule.learning_rate: 1 here, 2 there", True),
        ("config.losses.prior: 1 here, 2 there", True),
        ("config.schedule.weight_decay: 1 here, 2 there", False),
        ("config.decoder.backbone.width: 1 here, 2 there", False),
        ("data: 1 here, 2 there", False),
    ],
)
def test_only_what_changes_neither_network_nor_optimizer_is_acceptable(change, acceptable):
    assert are_acceptable([change]) == acceptable
    assert not are_acceptable(["networks.clip: 1 here, 2 there", change])


def test_other_data_are_never_accepted_and_change_nothing(tiny_experiment, tmp_path):
    run = RunFolder(path=tmp_path / "run")
    run.begin(tiny_experiment, CONTENTS)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        run.begin(tiny_experiment, {**CONTENTS, "data": [{"subject": 2}]}, accept_changes=True)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before

"""kill -9 in the midst of the writing: the next run ends in the same bits."""

from dataclasses import replace

import pytest

from mindeye.config import dump_yaml
from mindeye.training.loop import train
from mindeye.verbs.benchmarks.survival import (
    begun,
    kill_at,
    sha256_of_weights,
    state_of,
    training_command,
)

# A file is written in a moment, which a busy machine may sleep through.
TRIES = 5


@pytest.mark.parametrize("stage", ["checkpoint", "final"])
def test_a_training_killed_while_it_writes_ends_in_the_same_bits(stage, tiny_experiment, tmp_path):
    schedule = replace(tiny_experiment.schedule, num_epochs=12)
    experiment = replace(tiny_experiment, schedule=schedule)
    dump_yaml(experiment, tmp_path / "tiny.yaml")
    for number in range(TRIES):
        run = tmp_path / f"run{number}"
        command = training_command(tmp_path / "tiny.yaml", run)
        if kill_at(command, lambda run=run: begun(stage, run, experiment.data[0]), 0.0):
            break
    else:
        pytest.fail(f"{TRIES} trainings ended before the kill")
    # Either the kill came first, or the renaming did.
    assert "weights written" not in state_of(run) or stage == "final"
    resumed = train(experiment, run)
    whole = train(experiment, tmp_path / "whole")
    assert sha256_of_weights(resumed.path) == sha256_of_weights(whole.path)
    assert resumed.read_log() == whole.read_log()
    assert [one.name for one in run.glob(".*")] == []

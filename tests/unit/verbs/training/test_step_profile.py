"""A profile names the costly operators, leaves a trace, and the training as it was."""

import json
import time

import pytest

from mindeye.training import feeding
from mindeye.training.loop import train
from mindeye.verbs.training.step_profile import ProfileDone, StepProfile


def profiled(experiment, path, num_steps: int) -> StepProfile:
    watcher = StepProfile(num_steps)
    with pytest.raises(ProfileDone):
        train(experiment, path, watchers=[watcher])
    return watcher


def test_the_profile_finds_the_products_of_matrices_and_leaves_a_trace(tiny_experiment, tmp_path):
    found = profiled(tiny_experiment, tmp_path / "run", 2).found
    shares = [one.share for one in found.operators]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1.001
    assert found.images_per_s == pytest.approx(8 / found.step_s)
    events = json.loads((tmp_path / "run" / "profile" / "trace.json").read_text())["traceEvents"]
    # Which are the costliest of so small a network, the load of the machine decides.
    names = {one.get("name") for one in events}
    assert {"aten::addmm", "aten::mm"} <= names
    assert {one.name for one in found.operators} <= names
    marks = [one["name"] for one in events if one.get("name", "").startswith("ProfilerStep")]
    assert len(set(marks)) == 2
    assert any(one.get("name") == "wait for the batch" for one in events)
    written = (tmp_path / "run" / "profile" / "profile.txt").read_text()
    assert written.splitlines() == list(found.lines)
    assert written.startswith("2 steps on cpu, after 3 to warm up\n")


def test_slow_data_are_seen_as_waiting(tiny_experiment, tmp_path, monkeypatch):
    quick = profiled(tiny_experiment, tmp_path / "quick", 2).found
    batches = feeding._batches

    def slow(state, first):
        for batch in batches(state, first):
            # Batches are made while a step is computed: longer than that takes here and now.
            time.sleep(0.25 + 3 * quick.step_s)
            yield batch

    monkeypatch.setattr(feeding, "_batches", slow)
    found = profiled(tiny_experiment, tmp_path / "slow", 2).found
    assert quick.waiting < 0.5 < found.waiting <= 1
    assert found.step_s > 0.2


def test_a_profiled_training_goes_on_to_the_same_bits(tiny_experiment, tmp_path):
    profiled(tiny_experiment, tmp_path / "run", 1)
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    run, alone = (
        train(tiny_experiment, tmp_path / "run"),
        train(tiny_experiment, tmp_path / "alone"),
    )
    assert run.weights_path.read_bytes() == alone.weights_path.read_bytes()
    assert run.read_log() == alone.read_log()


def test_more_steps_than_are_left_and_none_are_refused(tiny_experiment, tmp_path):
    with pytest.raises(ValueError, match="12 steps are left of this training, but a profile of 10"):
        train(tiny_experiment, tmp_path / "run", watchers=[StepProfile(10)])
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="profile of 0 steps"):
        StepProfile(0)

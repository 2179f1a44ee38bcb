"""The dry run counts what the training then makes."""

from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.models.saved import load_decoder
from mindeye.training.compute import ComputeConfig
from mindeye.training.hardware import Hardware
from mindeye.training.loop import train
from mindeye.training.plan import TrainingPlan, plan_of
from mindeye.training.step_cost import StepCost


def test_planned_parameters_and_steps_are_those_of_the_training(tiny_experiment, tmp_path: Path):
    plan = plan_of(tiny_experiment)
    run = train(tiny_experiment, tmp_path / "run")
    decoder = load_decoder(run.path)
    assert plan.num_parameters == sum(one.numel() for one in decoder.parameters())
    assert plan.num_steps == run.read_log()[-1]["step"] + 1


def test_memory_follows_from_parts_and_from_how_the_training_computes():
    settings = {
        "parameters_of": {"ridge": 1_000_000, "prior": 500_000},
        "trained": frozenset({"ridge"}),
        "num_steps": 1200,
        "images_of": {1: 30, 5: 8},
        "batch": 8,
        "cost": StepCost(flop=10**9, target_flop=10**9, activation_bytes=7),
        "cache_bytes": 0,
        "run_bytes": 0,
    }
    plan = TrainingPlan(**settings, compute=ComputeConfig())
    in_mb = {name: count / 1e6 for name, count in plan.memory_of.items()}
    assert in_mb == {"weights": 6.0, "gradients": 4.0, "optimizer": 8.0, "activations": 7e-6}
    # Weight read twice, gradient written and read, AdamW: weight and two moments, read and written.
    assert plan.moved_bytes == 1_000_000 * 4 * 10
    hardware = Hardware(flop_per_s=1e9, bytes_per_s=40e6, origin="as given")
    assert plan.hours(hardware) == pytest.approx(1200 * (2 + 1) / 3600)
    small = ComputeConfig(optimizer_state="int8", free_gradients=True)
    plan = TrainingPlan(**settings, compute=small)
    assert plan.memory_of["gradients"] == 0
    # Two bytes, and two scales of four bytes for each block of 256.
    of_moments = 1_000_000 * 2 + 1_000_000 // 256 * 8
    assert plan.memory_of["optimizer"] == pytest.approx(of_moments, rel=1e-5)
    assert plan.moved_bytes == pytest.approx(1_000_000 * 6 * 4 + 2 * of_moments, rel=1e-5)


def test_the_plan_tells_which_parts_learn_and_refuses_what_the_training_would(
    tiny_experiment, uninterrupted, tmp_path
):
    start = uninterrupted(tiny_experiment).path
    plan = plan_of(replace(tiny_experiment, parts=("prior",), start_from=start))
    assert plan.trained == {"prior"}
    assert plan.memory_of["optimizer"] == 8 * plan.parameters_of["prior"]
    assert plan.memory_of["weights"] == 4 * plan.num_parameters
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        plan_of(replace(tiny_experiment, start_from=tmp_path / "nowhere"))

"""The dry run counts what the training then makes."""

from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.models.saved import load_decoder
from mindeye.training.loop import train
from mindeye.training.plan import TrainingPlan, plan_of


def test_planned_parameters_and_steps_are_those_of_the_training(tiny_experiment, tmp_path: Path):
    plan = plan_of(tiny_experiment)
    run = train(tiny_experiment, tmp_path / "run")
    decoder = load_decoder(run.path)
    assert plan.num_parameters == sum(one.numel() for one in decoder.parameters())
    assert plan.num_steps == run.read_log()[-1]["step"] + 1


def test_the_lines_tell_parts_sum_bytes_and_steps():
    plan = TrainingPlan(
        parameters_of={"ridge": 1_000_000, "prior": 500_000},
        trained=frozenset({"ridge"}),
        num_steps=1200,
        images_of={1: 30, 5: 8},
    )
    assert plan.lines == (
        "ridge                   1,000,000 parameters",
        "prior                     500,000 parameters, not trained",
        "all                     1,500,000 parameters",
        "0.02 GB for weights, gradients and AdamW; activations on top",
        "1,200 steps; training images subject 1: 30, subject 5: 8. Nothing was written.",
    )


def test_the_plan_tells_which_parts_learn_and_refuses_what_the_training_would(
    tiny_experiment, uninterrupted, tmp_path
):
    start = uninterrupted(tiny_experiment).path
    plan = plan_of(replace(tiny_experiment, parts=("prior",), start_from=start))
    assert plan.trained == {"prior"}
    rest = plan.num_parameters - plan.parameters_of["prior"]
    assert plan.num_bytes == 16 * plan.parameters_of["prior"] + 4 * rest
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        plan_of(replace(tiny_experiment, start_from=tmp_path / "nowhere"))

"""The dry run counts what the training then makes."""

from pathlib import Path

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
        num_steps=1200,
        images_of={1: 30, 5: 8},
    )
    assert plan.lines == (
        "ridge                   1,000,000 parameters",
        "prior                     500,000 parameters",
        "all                     1,500,000 parameters",
        "0.02 GB for weights, gradients and AdamW; activations on top",
        "1,200 steps; training images subject 1: 30, subject 5: 8. Nothing was written.",
    )

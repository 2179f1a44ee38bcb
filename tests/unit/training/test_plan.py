"""The dry run counts what the training then makes."""

from pathlib import Path

from mindeye.models.saved import load_decoder
from mindeye.training.loop import train
from mindeye.training.plan import plan_of


def test_planned_parameters_and_steps_are_those_of_the_training(tiny_experiment, tmp_path: Path):
    plan = plan_of(tiny_experiment)
    run = train(tiny_experiment, tmp_path / "run")
    decoder = load_decoder(run.path)
    assert plan.num_parameters == sum(one.numel() for one in decoder.parameters())
    assert plan.num_steps == run.read_log()[-1]["step"] + 1

"""The bar says epoch, time left, losses, images a second and memory."""

from dataclasses import replace

import pytest

from mindeye.training.loop import train
from mindeye.training.speed import Speed
from mindeye.verbs.training.training_bar import TrainingBar, shown

SPEED = Speed(images_per_s=1234.5, waiting=0.1, memory_gb={"resident": 2.04})


def test_values_stand_behind_the_bar_with_rate_speed_and_memory():
    line = {"step": 3, "learning_rate": 3e-4, "contrastive": 2.5, "validation_top1_subj01": 0.25}
    assert shown(line, SPEED) == [
        "contrastive 2.5",
        "validation_top1_subj01 0.25",
        "rate 0.0003",
        "1,234 images/s",
        "2.0 GB",
    ]
    on_gpu = replace(SPEED, memory_gb={"resident": 2.0, "allocated": 31.26, "reserved": 40.0})
    assert shown(line, on_gpu)[-1] == "31.3 GB"


def test_the_bar_counts_epochs_and_steps_and_tells_the_time_left(
    tiny_experiment, tmp_path, capsys, monkeypatch
):
    # Without it nothing is drawn of a training that takes a moment.
    monkeypatch.setenv("TQDM_MININTERVAL", "0")
    train(tiny_experiment, tmp_path / "run", watchers=[TrainingBar()])
    told = capsys.readouterr().err
    assert told.startswith("1 process on cpu; batch of 8 images = 1 x 8; learning rate 0.003 ")
    drawn = told.split("\r")
    assert drawn[1].startswith("epoch 1/4:")
    last = drawn[-1]
    assert last.startswith("epoch 4/4: 100%")
    assert "| 12/12 [" in last
    assert "<00:00, contrastive " in last
    assert " images/s, " in last
    assert last.rstrip().endswith(" GB]")


def test_a_bar_that_goes_on_counts_from_there(tiny_experiment, tmp_path, capsys):
    class Cut(TrainingBar):
        def stepped(self, step):
            super().stepped(step)
            if step == 5:
                raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        train(tiny_experiment, tmp_path / "run", watchers=[Cut()])
    capsys.readouterr()
    train(tiny_experiment, tmp_path / "run", watchers=[TrainingBar()])
    drawn = capsys.readouterr().err.split("\r")
    assert "| 5/12 [" in drawn[1]
    assert drawn[1].startswith("epoch 2/4:")

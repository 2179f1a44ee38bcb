"""When a checkpoint is written, and what is never written into one."""

import pytest
import torch

from mindeye.checkpoint_pair import CheckpointPair
from mindeye.training import checkpoints
from mindeye.training.checkpoints import SavingTimes, require_finite
from mindeye.training.finite import NonFiniteError
from mindeye.training.loop import train


def kept(every_s: float, takes_s: float, num_steps: int) -> list[int]:
    """Steps of one second: after which of them is there a checkpoint?"""
    now, found = 0.0, []
    times = SavingTimes(every_s, now)
    for step in range(num_steps):
        now += 1.0
        if times.is_due(now):
            found.append(step + 1)
            times.saved(now, now + takes_s)
            now += takes_s
    return found


@pytest.mark.parametrize(
    ("every", "takes", "steps"),
    [
        (10.0, 0.5, [11, 22, 33]),
        # Nine seconds of training for each second of writing: a tenth of the time.
        (10.0, 2.0, [11, 30]),
        # Zero is for tests: after every step, however long it takes.
        (0.0, 2.0, list(range(1, 36))),
    ],
)
def test_checkpoints_come_by_seconds_and_take_at_most_a_tenth_of_them(every, takes, steps):
    assert kept(every, takes, 35) == steps


def test_what_is_not_finite_is_named_and_not_kept():
    content = {"step": 4, "weights": {"a": torch.ones(2)}, "optimizer": {"state": {0: {}}}}
    require_finite(content, 4)
    content["optimizer"]["state"][0]["exp_avg"] = torch.tensor([1.0, torch.inf])
    with pytest.raises(NonFiniteError, match=r"`optimizer\.state\.0\.exp_avg` is not finite after"):
        require_finite(content, 4)


def test_weights_that_are_not_finite_never_become_a_checkpoint(
    tiny_experiment, tmp_path, monkeypatch
):
    """Not even where loss and gradients were: the optimizer's own numbers may overflow."""
    plain = checkpoints.CheckpointKeeper.save

    def poisoned(self, step):
        if step == 7:
            with torch.no_grad():
                self.state.decoder.token_head.linear.weight[0, 0] = torch.nan
        plain(self, step)

    monkeypatch.setattr(checkpoints.CheckpointKeeper, "save", poisoned)
    with pytest.raises(FloatingPointError, match=r"`weights\.token_head\.linear\.weight` is not"):
        train(tiny_experiment, tmp_path / "run")
    monkeypatch.undo()
    resumed = []
    train(tiny_experiment, tmp_path / "run", progress=lambda *all: resumed.append(all[0]))
    assert resumed[0] == 7


def test_no_process_goes_on_before_a_checkpoint_is_written(tiny_experiment, tmp_path, monkeypatch):
    """A launcher ends all processes soon after one of them: a signal would cut the checkpoint."""
    happened = []
    plain = CheckpointPair.save

    def written(self, content):
        plain(self, content)
        happened.append("written")

    def met(own):
        happened.append("met")
        return [own]

    monkeypatch.setattr(CheckpointPair, "save", written)
    monkeypatch.setattr(checkpoints, "numbers_of_all", met)
    train(tiny_experiment, tmp_path / "run")
    # Before: whether one is due. Tests keep one after every step.
    steps = happened.count("written")
    assert steps > 1
    assert happened == ["met", "written", "met"] * steps

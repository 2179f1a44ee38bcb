import math
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mindeye.models.prior import PriorConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.saved_state import load_state
from mindeye.training import forward, loop, step
from mindeye.training.loop import train
from mindeye.training.loss_watch import LossWatch


def values(**given: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in given.items()}


def test_values_are_fetched_when_asked_for_or_after_so_many_steps():
    watch = LossWatch(fetch_every=3)
    watch.see(0, torch.tensor(3.0), values(prior=1.0, contrastive=2.0))
    assert watch.latest == {}
    assert watch.fetch() == {"prior": 1.0, "contrastive": 2.0}
    for number in (1, 2, 3):
        assert watch.latest == {"prior": 1.0, "contrastive": 2.0}
        watch.see(number, torch.tensor(0.5), values(prior=float(number)))
    assert watch.latest == watch.fetch() == {"prior": 3.0}


def test_on_a_processor_every_step_is_at_hand_and_on_an_accelerator_ten_are_fetched_together():
    assert LossWatch.on(torch.device("cpu")).fetch_every == 1
    assert LossWatch.on(torch.device("cuda")).fetch_every == 10


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_first_step_that_is_not_finite_is_named_with_its_losses(bad):
    watch = LossWatch(fetch_every=9)
    watch.see(4, torch.tensor(1.0), values(prior=0.25, top1=math.nan))
    watch.see(5, torch.tensor(bad), values(prior=bad, top1=0.5))
    watch.see(6, torch.tensor(math.nan), values(prior=math.nan, top1=0.0))
    with pytest.raises(FloatingPointError, match=rf"{bad} at step 5: prior {bad}, top1 0\.5\.$"):
        watch.fetch()


@pytest.mark.parametrize("save_every_s", [0.0, 1e9])
def test_no_checkpoint_follows_a_loss_that_is_not_finite_however_late_it_is_seen(
    tiny_experiment, tmp_path, monkeypatch, save_every_s
):
    plain, calls = forward.step_losses, []

    def poisoned(*arguments):
        losses, monitors = plain(*arguments)
        calls.append(arguments)
        if len(calls) == 6:
            losses["prior"] = losses["prior"] * torch.nan
        return losses, monitors

    monkeypatch.setattr(forward, "step_losses", poisoned)
    monkeypatch.setattr(LossWatch, "on", lambda device: LossWatch(fetch_every=100))
    schedule = replace(tiny_experiment.schedule, save_every_s=save_every_s, steps_per_epoch=12)
    config = replace(tiny_experiment, schedule=replace(schedule, num_epochs=1))
    with pytest.raises(FloatingPointError, match=r"nan at step 5: .*prior nan"):
        train(config, tmp_path / "run")
    # Where nothing asks earlier, step 10's line of the log does.
    assert len(calls) == (6 if save_every_s == 0.0 else 11)
    saved = tmp_path / "run" / "checkpoint.safetensors"
    assert saved.exists() == (save_every_s == 0.0)
    if saved.exists():
        assert load_state(saved)["step"] == 5


class AskedValues(TorchDispatchMode):
    """Counts the numbers that Python is told, each of which a device would be waited for."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("prior", [PriorConfig, PublishedPriorConfig])
def test_a_step_asks_the_device_for_no_value(tiny_experiment, tmp_path, monkeypatch, prior):
    asked = AskedValues()

    def watched(*arguments):
        with asked:
            step.one_step(*arguments)

    with asked:
        torch.ones(2).sum().item()
    assert asked.count == 1
    monkeypatch.setattr(loop, "one_step", watched)
    monkeypatch.setattr(LossWatch, "on", lambda device: LossWatch(fetch_every=100))
    decoder = replace(tiny_experiment.decoder, prior=prior(depth=1, head_width=8, train_times=20))
    train(replace(tiny_experiment, decoder=decoder), tmp_path / "run")
    assert asked.count == 1

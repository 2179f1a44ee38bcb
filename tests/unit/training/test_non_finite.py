"""A step that is not finite: what is said, what is kept, and how the training goes on."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from mindeye.files import read_json
from mindeye.saved_state import load_state
from mindeye.training import forward
from mindeye.training import loop as training_loop
from mindeye.training.finite import size_of_small_gradients
from mindeye.training.loop import train

SICK = 4


class GradientOfNan(torch.autograd.Function):
    """A finite value whose gradient is not."""

    @staticmethod
    def forward(context, value):
        return value.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * torch.nan


@pytest.fixture
def poisoned(monkeypatch):
    """Spoils the fifth step's losses by a function."""

    def spoil(change):
        plain, calls = forward.step_losses, []

        def spoiled(*arguments, **named):
            losses, monitors = plain(*arguments, **named)
            calls.append(1)
            if len(calls) == SICK + 1:
                losses["prior"] = change(losses["prior"])
            return losses, monitors

        monkeypatch.setattr(forward, "step_losses", spoiled)

    return spoil


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda loss: loss * torch.nan, r"The loss is nan at step 4: .*prior nan, low_level"),
        (GradientOfNan.apply, r"A gradient is not finite at step 4, though the losses are: "),
    ],
)
def test_it_names_losses_and_checkpoint_and_keeps_what_the_step_learned_from(
    tiny_experiment, tmp_path, poisoned, change, words, monkeypatch
):
    seen, plain = [], training_loop.one_step

    def recording(state, batch, *rest):
        seen.append(batch)
        return plain(state, batch, *rest)

    monkeypatch.setattr(training_loop, "one_step", recording)
    poisoned(change)
    run = tmp_path / "run"
    with pytest.raises(
        FloatingPointError, match=words + r".* Last good checkpoint: step 4\."
    ) as it:
        train(tiny_experiment, run)
    assert "lower schedule.learning_rate, and add --accept-changes" in str(it.value)
    checkpoint = load_state(run / "checkpoint.safetensors")
    assert checkpoint["step"] == SICK
    assert all(value.isfinite().all() for value in checkpoint["weights"].values())
    kept = load_file(run / "non_finite" / "step_000004.safetensors")
    (part,) = seen[SICK].parts
    assert torch.equal(kept["subject_1.betas"], part.betas)
    assert torch.equal(kept["targets.tokens"], seen[SICK].targets.tokens)
    about = read_json(run / "non_finite" / "step_000004.json")
    assert about["image_ids_of_subject"] == {"1": part.image_ids.tolist()}
    assert about["step"] == SICK
    assert about["not_finite"] == []


def test_the_run_goes_on_with_another_rate_where_that_is_accepted_and_tells_of_it(
    tiny_experiment, tmp_path, poisoned
):
    poisoned(lambda loss: loss * math.inf)
    run = tmp_path / "run"
    with pytest.raises(FloatingPointError, match="The loss is inf at step 4"):
        train(tiny_experiment, run)
    calmer = replace(
        tiny_experiment, schedule=replace(tiny_experiment.schedule, learning_rate=1e-3)
    )
    with pytest.raises(ValueError, match=r"learning_rate: 0.001 here.* Add --accept-changes"):
        train(calmer, run)
    rates = []
    finished = train(calmer, run, accept_changes=True)
    rates = {line["step"]: line["learning_rate"] for line in finished.read_log()}
    assert rates[0] == pytest.approx(3e-3 / 25)
    assert rates[11] == pytest.approx(1e-3 / 25_000)
    provenance = finished.provenance()
    assert provenance["accepted_changes"] == [
        ["config.schedule.learning_rate: 0.001 here, 0.003 there"]
    ]
    firsts = [(one["first_step"], one["accepted_changes"]) for one in provenance["segments"]]
    assert firsts == [(0, 0), (SICK, 1)]
    # It is that run now.
    train(calmer, run)
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        train(tiny_experiment, run, accept_changes=True)


def test_another_decoder_is_not_accepted(tiny_experiment, tmp_path, poisoned):
    poisoned(lambda loss: loss * math.inf)
    with pytest.raises(FloatingPointError):
        train(tiny_experiment, tmp_path / "run")
    backbone = replace(tiny_experiment.decoder.backbone, width=32)
    wider = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, backbone=backbone))
    with pytest.raises(ValueError, match=r"backbone\.width: 32 here, 24 there\)\. Choose") as it:
        train(wider, tmp_path / "run", accept_changes=True)
    assert "--accept-changes" not in str(it.value)


def test_small_gradients_tell_of_what_passed_through_large_ones():
    layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 2))
    layers(torch.ones(3, 4)).sum().backward()
    biases = [layers[0].bias.grad, layers[2].bias.grad]
    expected = math.sqrt(sum(float((one**2).sum()) for one in biases))
    assert size_of_small_gradients(layers.parameters()).item() == pytest.approx(expected)
    layers.zero_grad()
    GradientOfNan.apply(layers(torch.ones(3, 4))).sum().backward()
    assert not size_of_small_gradients(layers.parameters()).isfinite()

"""Options of precision, memory and compilation: the same numbers, or how far off."""

from dataclasses import replace

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.training import compute as compute_module
from mindeye.training import forward
from mindeye.training.compute import (
    ComputeConfig,
    accelerate_precision,
    require_possible,
)
from mindeye.training.loop import train
from mindeye.training.processes import started_accelerator

CPU = torch.device("cpu")


def trained(experiment, path, **options):
    return train(replace(experiment, compute=ComputeConfig(**options)), path)


def assert_same_bits(run, other) -> None:
    ours, theirs = (load_file(one.weights_path) for one in (run, other))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert run.read_log() == other.read_log()


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "float32"},
        {"free_gradients": True},
        {"recompute_blocks": True},
        {"free_gradients": True, "recompute_blocks": True},
    ],
    ids=str,
)
def test_what_saves_memory_alone_gives_the_same_bits(
    options, tiny_experiment, uninterrupted, tmp_path
):
    run = trained(tiny_experiment, tmp_path / "run", **options)
    assert_same_bits(run, uninterrupted(tiny_experiment))


def test_the_published_prior_recomputed_gives_the_same_bits(tiny_experiment, tmp_path):
    prior = PublishedPriorConfig(depth=2, num_heads=2, head_width=8, train_times=20)
    config = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, prior=prior))
    options = {"recompute_blocks": True, "free_gradients": True}
    runs = [trained(config, tmp_path / str(len(one)), **one) for one in ({}, options)]
    assert_same_bits(*runs)


class PowerCutError(Exception):
    """Raised where a kill would strike."""


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer_state": "bfloat16"},
        {"optimizer_state": "int8"},
        {
            "precision": "bfloat16",
            "optimizer_state": "bfloat16",
            "free_gradients": True,
            "recompute_blocks": True,
        },
    ],
    ids=str,
)
def test_a_resumed_training_ends_in_the_same_bits(options, tiny_experiment, tmp_path):
    if options["optimizer_state"] == "int8":
        pytest.importorskip("bitsandbytes", reason="pip install 'mindeye[int8]'")

    def cut(done, total, values):
        if done == 7:
            raise PowerCutError

    config = replace(tiny_experiment, compute=ComputeConfig(**options))
    whole = train(config, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "cut", progress=cut)
    assert_same_bits(train(config, tmp_path / "cut"), whole)


def test_products_are_in_bfloat16_and_losses_near_those_of_float32(
    tiny_experiment, uninterrupted, tmp_path, monkeypatch
):
    plain, seen = forward.step_losses, set()

    def recording(decoder, *rest):
        def note(module, inputs, output):
            seen.add(output.dtype)

        hook = decoder.token_head.linear.register_forward_hook(note)
        found = plain(decoder, *rest)
        hook.remove()
        assert {value.dtype for value in found[0].values()} == {torch.float32}
        return found

    monkeypatch.setattr(forward, "step_losses", recording)
    run = trained(tiny_experiment, tmp_path / "run", precision="bfloat16")
    assert seen == {torch.bfloat16}
    weights = load_file(run.weights_path)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    for ours, theirs in zip(run.read_log(), uninterrupted(tiny_experiment).read_log(), strict=True):
        for name in ("contrastive", "prior", "low_level"):
            assert ours[name] == pytest.approx(theirs[name], rel=0.05), name
    # The next training in this process is not in bfloat16 for that.
    assert_same_bits(train(tiny_experiment, tmp_path / "next"), uninterrupted(tiny_experiment))
    assert seen == {torch.bfloat16, torch.float32}


def test_precision_follows_the_launch_unless_the_configuration_says(monkeypatch):
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    assert accelerate_precision(ComputeConfig()) == "no"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert accelerate_precision(ComputeConfig()) == "bf16"
    assert accelerate_precision(ComputeConfig(precision="bfloat16")) == "bf16"
    with pytest.raises(ValueError, match="is float32, but accelerate was launched with --mixed_pr"):
        accelerate_precision(ComputeConfig(precision="float32"))
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    assert accelerate_precision(ComputeConfig(precision="bfloat16")) == "bf16"


@pytest.fixture(autouse=True)
def _no_precision_is_left_behind():
    yield
    AcceleratorState._reset_state()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "half"}, r"`compute\.precision` is half\. Choose one of float32, bfloat16"),
        ({"optimizer_state": "int4"}, r"optimizer_state` is int4\. Choose one of float32, bfl"),
        ({"compile": "fast"}, r"`compute\.compile` is fast\. Choose one of default, reduce-ov"),
        ({"compile": "reduce-overhead", "free_gradients": True}, "would free none"),
    ],
)
def test_unknown_values_and_what_does_not_go_together_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ComputeConfig(**options)


def test_what_a_machine_cannot_do_is_refused_before_anything_is_written(
    tiny_experiment, tmp_path, monkeypatch
):
    monkeypatch.setattr(compute_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"bitsandbytes .*pip install 'mindeye\[int8\]'"):
        trained(tiny_experiment, tmp_path / "run", optimizer_state="int8")
    with pytest.raises(ValueError, match="CUDA graphs do not run on cpu"):
        trained(tiny_experiment, tmp_path / "run", compile="reduce-overhead")
    assert not (tmp_path / "run").exists()
    freed = ComputeConfig(free_gradients=True)
    with pytest.raises(ValueError, match="before 2 processes have shared their gradients"):
        require_possible(freed, CPU, num_processes=2)
    with pytest.raises(ValueError, match=r"micro_batch` makes several of them a step"):
        require_possible(freed, CPU, in_turns=True)
    with pytest.raises(ValueError, match="each process holds a part of them"):
        require_possible(ComputeConfig(optimizer_state="bfloat16"), CPU, is_sharded=True)


@pytest.mark.parametrize("precision", ["fp16", "fp8"])
def test_a_launch_with_a_precision_of_its_own_is_refused(tiny_experiment, monkeypatch, precision):
    """Of float16 gradients overflow at first, and the scale of the loss is in no checkpoint."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    with pytest.raises(ValueError, match=f"--mixed_precision {precision}, which is not offered"):
        started_accelerator(tiny_experiment)


def test_the_priors_transformer_is_compiled_and_its_weights_keep_their_names(
    tiny_experiment, uninterrupted, tmp_path, monkeypatch
):
    plain, compiled = torch.nn.Module.compile, []

    def traced(self, mode):
        compiled.append((type(self).__name__, mode))
        # Traced as for any compiler, but run as it is: a C++ compiler takes half a minute.
        plain(self, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    run = trained(tiny_experiment, tmp_path / "run", compile="default", recompute_blocks=True)
    assert compiled == [("Transformer", "default")]
    assert_same_bits(run, uninterrupted(tiny_experiment))

"""A training that was cut goes on to the same result; a folder keeps what it was made of."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mindeye.files import read_json, write_json
from mindeye.models.saved import load_decoder
from mindeye.models.token_head import LowRankHeadConfig, TokenCodeHeadConfig, WindowHeadConfig
from mindeye.training.loop import train

NUM_STEPS = 12


class PowerCutError(Exception):
    """Raised where a kill would strike."""


def cut_at(step: int):
    def progress(done, total, values):
        if done == step:
            raise PowerCutError

    return progress


def weights_of(run) -> dict[str, torch.Tensor]:
    return load_file(run.weights_path)


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("cut", [2, 5, 9])
def test_a_resumed_training_ends_in_the_same_bits(cut, tiny_experiment, uninterrupted, tmp_path):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(cut))
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    steps = []
    resumed = train(tiny_experiment, tmp_path / "run", progress=lambda *now: steps.append(now[0]))
    # The checkpoint of a step is written after its progress: that step is done again.
    assert steps == list(range(cut, NUM_STEPS + 1))
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))
    assert resumed.read_log() == uninterrupted(tiny_experiment).read_log()


def test_a_run_from_before_token_heads_had_kinds_goes_on(tiny_experiment, uninterrupted, tmp_path):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(5))
    for name, at in (("identity.json", ("config", "decoder")), ("architecture.json", ("decoder",))):
        content = read_json(tmp_path / "run" / name)
        inside = content
        for key in at:
            inside = inside[key]
        assert inside.pop("token_head") is None
        write_json(tmp_path / "run" / name, content)
    resumed = train(tiny_experiment, tmp_path / "run")
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))
    compact = replace(tiny_experiment.decoder, token_head=LowRankHeadConfig(rank=4))
    with pytest.raises(ValueError, match=r"config\.decoder\.token_head: \{'rank': 4\} here, None"):
        train(replace(tiny_experiment, decoder=compact), tmp_path / "run")


@pytest.mark.parametrize(
    "head",
    [LowRankHeadConfig(rank=4), TokenCodeHeadConfig(code_width=3), WindowHeadConfig(window=9)],
)
def test_a_training_with_a_compact_token_head_resumes_to_the_bit_and_decodes(
    head, tiny_experiment, tmp_path
):
    config = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, token_head=head))
    whole = train(config, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", progress=cut_at(5))
    assert_same(weights_of(train(config, tmp_path / "run")), weights_of(whole))
    decoder = load_decoder(whole.path)
    assert decoder.config.token_head == head
    assert decoder(torch.zeros(2, 20), 1).brain_tokens.shape == (2, 5, 16)


def test_a_cut_before_the_first_checkpoint_starts_over(tiny_experiment, uninterrupted, tmp_path):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(1))
    resumed = train(tiny_experiment, tmp_path / "run")
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))


def test_the_same_seed_gives_the_same_weights_and_the_global_stream_does_not_matter(
    tiny_experiment, uninterrupted, tmp_path
):
    torch.manual_seed(99)
    again = train(tiny_experiment, tmp_path / "run", progress=lambda *_: torch.rand(3))
    assert_same(weights_of(again), weights_of(uninterrupted(tiny_experiment)))


def test_another_seed_gives_other_weights(tiny_experiment, uninterrupted):
    ours = weights_of(uninterrupted(tiny_experiment))
    theirs = weights_of(uninterrupted(replace(tiny_experiment, seed=4)))
    assert not torch.equal(ours["token_head.linear.weight"], theirs["token_head.linear.weight"])


def test_a_finished_run_returns_at_once(tiny_experiment, uninterrupted):
    run = uninterrupted(tiny_experiment)
    before = run.weights_path.stat().st_mtime_ns
    train(tiny_experiment, run.path, progress=cut_at(1))
    assert run.weights_path.stat().st_mtime_ns == before


def test_another_configuration_is_refused_with_its_key_and_changes_nothing(
    tiny_experiment, uninterrupted
):
    run = uninterrupted(tiny_experiment)
    before = run.weights_path.read_bytes()
    schedule = replace(tiny_experiment.schedule, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"schedule\.learning_rate: 0\.5 here, 0\.003 there"):
        train(replace(tiny_experiment, schedule=schedule), run.path)
    assert run.weights_path.read_bytes() == before


def test_a_training_goes_on_where_run_and_data_have_moved_to(
    tiny_experiment, tiny_prepared, uninterrupted, tmp_path
):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(5))
    run = (tmp_path / "run").rename(tmp_path / "elsewhere")
    data = Path(shutil.copytree(tiny_prepared, tmp_path / "data"))
    steps = []
    resumed = train(
        replace(tiny_experiment, data=(data,)), run, progress=lambda *now: steps.append(now[0])
    )
    assert steps[0] == 5
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))


def test_data_with_other_contents_are_refused(tiny_experiment, tiny_prepared, tmp_path):
    data = Path(shutil.copytree(tiny_prepared, tmp_path / "data"))
    with pytest.raises(PowerCutError):
        train(replace(tiny_experiment, data=(data,)), tmp_path / "run", progress=cut_at(1))
    manifest = read_json(data / "manifest.json")
    write_json(data / "manifest.json", {**manifest, "seed": 9})
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        train(replace(tiny_experiment, data=(data,)), tmp_path / "run")


def test_a_kill_between_the_final_weights_and_the_end_leaves_nothing_for_good(
    tiny_experiment, tmp_path
):
    run = train(tiny_experiment, tmp_path / "run")
    run.checkpoints.save({"step": 12})
    # The file is renamed before the folder that it was written in goes.
    killed = (
        "import os, sys; from pathlib import Path; from mindeye.files import temporary_folder\n"
        "with temporary_folder(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(run.weights_path)], check=False)
    assert run.checkpoints.newest.exists()
    assert list(run.path.glob(".*.part"))
    train(tiny_experiment, tmp_path / "run")
    assert not run.checkpoints.newest.exists()
    assert list(run.path.glob(".*")) == []

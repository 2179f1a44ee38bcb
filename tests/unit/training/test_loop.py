"""What a training does and writes."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import load_decoder
from mindeye.quirks import Quirks
from mindeye.saved_state import load_state
from mindeye.training import forward, loop, step
from mindeye.training.loop import train


def test_losses_fall_and_the_log_tells_rate_and_validation(tiny_experiment, tmp_path):
    schedule = replace(tiny_experiment.schedule, num_epochs=30, save_every_s=60.0)
    run = train(replace(tiny_experiment, schedule=schedule), tmp_path / "run")
    log = run.read_log()
    first, last = log[:5], log[-5:]
    for name in ("prior", "low_level"):
        fallen = [np.mean([line[name] for line in part]) for part in (first, last)]
        assert fallen[1] < 0.95 * fallen[0], name
    assert {"learning_rate", "contrastive", "top1"} <= log[0].keys()
    assert "validation_top1_subj01" in log[-1]
    assert log[-1]["step"] == 30 * 3 - 1


def test_a_loss_that_is_not_finite_names_step_and_losses(tiny_experiment, tmp_path, monkeypatch):
    plain, calls = forward.step_losses, []

    def poisoned(*arguments):
        losses, monitors = plain(*arguments)
        calls.append(arguments)
        if len(calls) == 5:
            losses["prior"] = losses["prior"] * torch.nan
        return losses, monitors

    monkeypatch.setattr(forward, "step_losses", poisoned)
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 4: .*prior nan, low_level"):
        train(tiny_experiment, tmp_path / "run")
    checkpoint = load_state(tmp_path / "run" / "checkpoint.safetensors")
    assert checkpoint["step"] == 4
    assert all(torch.isfinite(value).all() for value in checkpoint["weights"].values())


@pytest.mark.parametrize("quirk", ["lost_labels", "crossed_labels", "unmixed_targets"])
def test_every_step_knows_the_quirks_of_mixing(tiny_experiment, tmp_path, monkeypatch, quirk):
    plain, seen = step.drawn_step, []

    def recording(prior, batch, config, phase, quirks, generator):
        seen.append(quirks)
        return plain(prior, batch, config, phase, quirks, generator)

    monkeypatch.setattr(step, "drawn_step", recording)
    config = replace(tiny_experiment, quirks=Quirks(**{quirk: True}))
    train(config, tmp_path / "run")
    assert [one.switched_on() for one in seen] == [(quirk,)] * 12


@pytest.mark.parametrize(("by_epoch", "mixed"), [(True, 3), (False, 4)])
def test_mixco_ends_with_an_epoch_only_where_the_quirk_says_so(
    tiny_experiment, tmp_path, monkeypatch, by_epoch, mixed
):
    plain, phases = forward.step_losses, []

    def recording(decoder, drawn, config, phase, *rest):
        phases.append(phase)
        return plain(decoder, drawn, config, phase, *rest)

    monkeypatch.setattr(forward, "step_losses", recording)
    train(replace(tiny_experiment, quirks=Quirks(phases_by_epoch=by_epoch)), tmp_path / "run")
    # Four epochs of three steps, of which a third: 1.33 epochs or 4 steps.
    assert [one.mixes for one in phases] == [True] * mixed + [False] * (12 - mixed)
    temperatures = [one.temperature for one in phases[mixed:]]
    assert len(set(temperatures)) == (3 if by_epoch else 8)
    assert (temperatures[-1] == pytest.approx(0.08)) == by_epoch


def test_a_bit_that_flipped_in_a_shard_is_seen_before_anything_is_written(
    tiny_experiment, tmp_path
):
    (place,) = tiny_experiment.data
    copied = shutil.copytree(place, tmp_path / "prepared")
    shard = copied / PreparedSubject(copied).manifest["splits"]["train"]["shards"][0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{shard.name} has SHA-256"):
        train(replace(tiny_experiment, data=(copied,)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_never_opens_the_test_split(tiny_experiment, tmp_path, monkeypatch):
    opened = []

    def recorded(plain):
        def recording(self, split):
            opened.append(split)
            return plain(self, split)

        return recording

    for name in ("table", "mapped_repeats"):
        monkeypatch.setattr(PreparedSubject, name, recorded(getattr(PreparedSubject, name)))
    train(tiny_experiment, tmp_path / "run")
    assert set(opened) == {"train", "validation"}


def test_a_training_whose_test_shards_are_blank_gives_the_same_bytes(
    tiny_experiment, uninterrupted, tmp_path
):
    (place,) = tiny_experiment.data
    copied = shutil.copytree(place, tmp_path / "prepared")
    shards = [copied / one for one in PreparedSubject(copied).manifest["splits"]["test"]["shards"]]
    for shard in shards:
        shard.write_bytes(bytes(shard.stat().st_size))
    assert shards
    run = train(replace(tiny_experiment, data=(copied,)), tmp_path / "run")
    plain = uninterrupted(tiny_experiment)
    assert run.weights_path.read_bytes() == plain.weights_path.read_bytes()
    assert run.read_log() == plain.read_log()


def test_a_trained_folder_alone_gives_a_decoder_and_its_voxels(tiny_experiment, uninterrupted):
    run = uninterrupted(tiny_experiment)
    decoder = load_decoder(run.path)
    assert decoder(torch.randn(2, 20), 1).brain_tokens.shape == (2, 5, 16)
    assert (run.path / "bundle" / "subj01" / "meta.json").exists()
    assert run.provenance()["simulated"] == {"simulated": True, "preset": "tests"}


def test_final_weights_that_are_not_finite_are_not_written(tiny_experiment, tmp_path, monkeypatch):
    """Where gradients are freed at once, no checkpoint may have come between."""

    def spoilt(state, *_):
        weights = state.full_weights()
        return {**weights, "prior.places": weights["prior.places"] * torch.nan}

    monkeypatch.setattr(loop, "run_steps", spoilt)
    with pytest.raises(FloatingPointError, match=r"`weights\.prior\.places` is not finite"):
        train(tiny_experiment, tmp_path / "run")
    assert not (tmp_path / "run" / "weights.safetensors").exists()

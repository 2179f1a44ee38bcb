"""What the low-level network learns, how far its validation is, and from which teacher."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional

from mindeye.models.saved import load_decoder
from mindeye.targets import published_teachers
from mindeye.targets.published_teachers import PublishedTeacher
from mindeye.training import step_batch as steps
from mindeye.training import validation as validations
from mindeye.training.loop import train

DISTANCE = "validation_latent_distance_subj01"


class PowerCutError(Exception):
    """Raised where a kill would strike."""


def test_losses_fall_and_the_validation_distance_with_them(low_level, means, tmp_path):
    log = train(low_level, tmp_path / "run").read_log()
    for name, share in (("low_level", 0.9), ("maps", 1.0), (DISTANCE, 0.9)):
        first, last = means(log, name)
        assert last < share * first, name


def test_the_validation_distance_is_that_of_the_mean_scans_latents(
    low_level, material_of, tmp_path, monkeypatch
):
    run = train(low_level, tmp_path / "run")
    decoder, material = load_decoder(run.path), material_of(low_level)
    subject, slow = material.subjects[1], []
    scans, pictures = subject.validation, subject.pictures(subject.validation.image_ids)
    for betas, present, picture in zip(scans.betas, scans.present, pictures, strict=True):
        with torch.inference_mode():
            mean = betas[present].float().mean(0, keepdim=True)
            wanted = material.networks.vae.latents(picture[None]).half().float()
            slow.append((decoder.blurry(mean, 1).latents - wanted).abs().mean().item())
    assert len(slow) == 6
    found = validations.validation(low_level, decoder, material, step=0)
    assert found == {DISTANCE: pytest.approx(np.mean(slow), rel=1e-5)}
    assert run.read_log()[-1][DISTANCE] == pytest.approx(np.mean(slow), rel=1e-5)
    # The same in parts that do not divide the images.
    monkeypatch.setattr(validations, "BLURRY_BATCH", 4)
    assert validations.validation(low_level, decoder, material, step=0) == pytest.approx(found)


def test_maps_alone_have_no_validation_distance(low_level, with_losses, tmp_path):
    log = train(with_losses(low_level, low_level=0.0), tmp_path / "run").read_log()
    assert not [line for line in log if DISTANCE in line]


def test_a_training_of_everything_tells_no_distance(low_level, with_losses, tmp_path):
    everything = with_losses(low_level, contrastive=1.0, prior=30.0)
    everything = replace(everything, parts=None, start_from=None)
    last = train(everything, tmp_path / "run").read_log()[-1]
    assert "validation_top1_subj01" in last
    assert DISTANCE not in last


def test_a_resumed_training_ends_in_the_same_bits(low_level, with_losses, tmp_path):
    def cut(done, total, values):
        if done == 7:
            raise PowerCutError

    config = with_losses(low_level, pixels=4.0, sobel=16.0)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", progress=cut)
    resumed = train(config, tmp_path / "run")
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert resumed.read_log() == whole.read_log()


def test_the_other_view_is_made_at_the_teachers_side(low_level, material_of, batch_of, monkeypatch):
    seen = []
    plain = steps.augmented

    def watched(pictures, config, generator):
        seen.append(pictures)
        return plain(pictures, config, generator)

    monkeypatch.setattr(steps, "augmented", watched)
    material = material_of(low_level)
    batch = batch_of(low_level, material)
    pictures = material.subjects[1].pictures(batch.parts[0].image_ids)
    larger = functional.interpolate(pictures, size=(64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(seen[0], larger)


def test_a_teacher_of_timm_is_learned_from_by_its_name(low_level, tmp_path, monkeypatch):
    about = PublishedTeacher(
        hub="timm/test_vit", terms="-", megabytes=1, side=32, map_width=64, timm="test_vit"
    )
    monkeypatch.setattr(published_teachers, "PUBLISHED_TEACHERS", {"tiny-vit": about})
    folder = tmp_path / "networks" / "tiny-vit"
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        weights = timm.create_model("test_vit", img_size=32).state_dict()
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text('{"timm": "test_vit", "side": 32}')
    monkeypatch.setenv("MINDEYE_NETWORKS", str(tmp_path / "networks"))
    network = replace(low_level.decoder.low_level, map_width=64)
    decoder = replace(low_level.decoder, low_level=network)
    run = train(replace(low_level, teacher=Path("tiny-vit"), decoder=decoder), tmp_path / "run")
    assert run.provenance()["networks"]["teacher"].startswith("tiny-vit-")
    assert run.provenance()["paths"]["teacher"] == str(folder)
    assert "maps" in run.read_log()[-1]

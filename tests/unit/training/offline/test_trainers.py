"""Every trainer, for three steps: writes what the loaders read; resumed is uninterrupted."""

import hashlib

import numpy as np
import pytest
import torch

from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.offline import resumable
from mindeye.training.offline.clip import lesson_name, teach_names, train_clip
from mindeye.training.offline.embedded import embed_pictures
from mindeye.training.offline.generator import train_generator
from mindeye.training.offline.pictures import render_pictures
from mindeye.training.offline.resumable import Stage
from mindeye.training.offline.vae import polish_decoder, train_vae


class KilledError(Exception):
    """Stands for the end of the process."""


def watch(*_):
    """Nobody looks."""


def stage(work, name, report=watch, num_steps=3) -> Stage:
    return Stage(name=name, work=work, num_steps=num_steps, batch=4, seed=0, report=report)


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.safetensors")
    }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "pictures.npy"
    render_pictures(path, 12, processes=1, progress=watch)
    return np.load(path, mmap_mode="r")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pictures):
    """(work, clip folder, VAE folder, generator folder) after all stages."""
    work = tmp_path_factory.mktemp("work")
    clip, vae, generator = (work / name for name in ("clip", "vae", "generator"))
    train_clip(pictures, clip, stage(work, "clip"))
    for lesson in range(2):
        teach_names(pictures, clip, stage(work, lesson_name(lesson)), lesson=lesson)
    train_vae(pictures, vae, stage(work, "vae"))
    tokens, latents = embed_pictures(pictures, load_clip(clip), load_vae(vae), work, progress=watch)
    train_generator(tokens, latents, generator, stage(work, "generator"))
    polish_decoder(pictures, vae, stage(work, "vae-decoder"))
    return work, clip, vae, generator


def test_what_the_trainers_write_draws_pictures(trained):
    _, clip_folder, vae_folder, generator_folder = trained
    clip, vae = load_clip(clip_folder), load_vae(vae_folder)
    drawn = load_scenes_generator(vae, generator_folder).generate(
        clip.tokens(torch.rand(2, 3, 128, 128)),
        start=None,
        strength=1.0,
        steps=2,
        guidance=2.0,
        generators=[torch.Generator().manual_seed(one) for one in range(2)],
    )
    assert drawn.shape == (2, 3, 128, 128)
    assert drawn.isfinite().all()


def test_a_finished_stage_is_not_trained_again(trained, pictures):
    work, clip, vae, _ = trained
    before = hashes(work)
    train_clip(pictures, clip, stage(work, "clip"))
    polish_decoder(pictures, vae, stage(work, "vae-decoder"))
    assert hashes(work) == before


def test_a_killed_training_ends_with_the_same_weights(trained, pictures, tmp_path, monkeypatch):
    work, *_ = trained
    tokens, latents = (
        np.load(work / name, mmap_mode="r") for name in ("tokens.npy", "latents.npy")
    )
    monkeypatch.setattr(resumable, "SAVE_EVERY_S", -1.0)
    monkeypatch.setattr(resumable, "REPORT_EVERY", 1)

    def die(step, _losses):
        if step == 2:
            raise KilledError

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with pytest.raises(KilledError):
        train_generator(tokens, latents, killed / "out", stage(killed, "generator", die))
    assert not (killed / "out").exists()
    train_generator(tokens, latents, killed / "out", stage(killed, "generator"))
    train_generator(tokens, latents, whole / "out", stage(whole, "generator"))
    assert hashes(killed / "out") == hashes(whole / "out") != {}


def test_killed_embedding_goes_on_and_other_networks_are_refused(
    trained, pictures, networks, tmp_path, monkeypatch
):
    work, clip_folder, vae_folder, _ = trained
    clip, vae = load_clip(clip_folder), load_vae(networks.vae)
    monkeypatch.setattr("mindeye.training.offline.embedded.BLOCK", 5)

    def die(done, _total):
        if done == 10:
            raise KilledError

    with pytest.raises(KilledError):
        embed_pictures(pictures, clip, vae, tmp_path, progress=die)
    steps = []
    tokens, _ = embed_pictures(
        pictures, clip, vae, tmp_path, progress=lambda done, total: steps.append(done)
    )
    assert steps == [12]
    np.testing.assert_allclose(tokens, np.load(work / "tokens.npy"), atol=2e-3)
    with pytest.raises(ValueError, match=r"holds tokens and latents of .*encoder.* but now"):
        embed_pictures(pictures, clip, load_vae(vae_folder), tmp_path, progress=watch)


def test_polishing_the_decoder_leaves_the_embedded_latents_valid(trained, pictures):
    work, clip, vae, _ = trained
    before = (work / "latents.npy").read_bytes()
    embed_pictures(pictures, load_clip(clip), load_vae(vae), work, progress=watch)
    assert (work / "latents.npy").read_bytes() == before

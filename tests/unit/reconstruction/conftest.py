"""A finished run that decodes scans, trained once (read only), and made-up tokens to draw from."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction import pipeline
from mindeye.reconstruction.drawing import Artist
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.types import Decoded


@pytest.fixture(scope="session")
def place_of_run(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def trained_run(place_of_run, tiny_experiment, networks, monkeypatch) -> Path:
    """A run of the tiny subject; decoders that are opened draw with the generator of the tests."""
    from mindeye.reconstruction.generators import opening
    from mindeye.training.loop import train

    if not place_of_run.exists():
        train(tiny_experiment, place_of_run)
    tiny = functools.partial(opening.load_scenes_generator, folder=networks.generator)
    monkeypatch.setattr(opening, "load_scenes_generator", tiny)
    return place_of_run


@pytest.fixture
def session(tiny_prepared) -> np.ndarray:
    """Trials of the test images in the order shown, in percent signal change (mean 1, std 1)."""
    from mindeye.data.batches import PreparedSubject

    return PreparedSubject(tiny_prepared).table("test").betas.astype(np.float32) + 1


@pytest.fixture(scope="module")
def artist(networks) -> Artist:
    vae = load_vae(networks.vae)
    generator = load_scenes_generator(vae, networks.generator)
    return Artist(clip=load_clip(networks.clip), vae=vae, generator=generator)


@pytest.fixture
def decoded() -> Decoded:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(5, 5, 16, generator=generator) / 4
    return Decoded(
        image_ids=torch.tensor([7, 9, 20, 31, 72_999]),
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=torch.randn(5, 4, 8, 8, generator=generator),
    )


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(pipeline, "BLOCK", 2)


@pytest.fixture
def config() -> ReconstructionConfig:
    return ReconstructionConfig(candidates=2, steps=3, strength=0.7)


@pytest.fixture
def about() -> dict:
    """Provenance of what is drawn."""
    return {"run": "runs/one", "weights": "11aa", "simulated": None}


@pytest.fixture
def sampled():
    """Stands for the prior: noise matters, but not much."""

    def sample(brain_tokens, noises):
        return brain_tokens + 0.1 * next(noises)

    return sample


@pytest.fixture
def rows_of():
    """Some images of what was decoded."""

    def some(decoded: Decoded, rows: list[int]) -> Decoded:
        return Decoded(*(None if value is None else value[rows] for value in decoded))

    return some


@pytest.fixture
def draw(config, about, sampled):
    """Draws into a folder, with the settings above unless others are given."""

    def draw_into(decoded, artist, out, changed=config, **options):
        options = {"sample_tokens": sampled, "about": about, **options}
        return pipeline.reconstruct(decoded, artist, changed, out, **options)

    return draw_into


@pytest.fixture
def assert_alike():
    """Equal up to rounding: another batch may add up in another order."""

    def alike(ours: np.ndarray, theirs: np.ndarray) -> None:
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1

    return alike

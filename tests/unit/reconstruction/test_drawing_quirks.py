"""Each switch that changes pictures, on and off, against what it says of itself."""

import json
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.candidate_noise import candidate_seed
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.pipeline import Artist, draw_block, reconstruct
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.types import Decoded

CONFIG = ReconstructionConfig(candidates=2, steps=3, strength=0.7, guidance=2.0)


class Watched:
    """A generator that keeps what it was given, and draws fixed pictures."""

    identity = "watched"
    token_shape = (5, 16)

    def __init__(self, side: int = 32) -> None:
        self.side = side
        self.given: dict = {}

    def generate(self, image_tokens, **given):
        self.given = {"image_tokens": image_tokens, **given}
        generator = torch.Generator().manual_seed(9)
        return torch.rand(len(image_tokens), 3, self.side, self.side, generator=generator)


@pytest.fixture
def artist(networks) -> Artist:
    return Artist(clip=load_clip(networks.clip), vae=load_vae(networks.vae), generator=Watched())


@pytest.fixture
def decoded() -> Decoded:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(3, 5, 16, generator=generator) / 4
    return Decoded(
        image_ids=torch.tensor([7, 9, 20]),
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=torch.randn(3, 4, 8, 8, generator=generator),
    )


def sampled(brain_tokens, noises):
    return brain_tokens + next(noises)


def quirk(*names: str) -> ReconstructionConfig:
    return replace(CONFIG, quirks=names)


def test_the_watched_generator_is_one(artist):
    assert isinstance(artist.generator, ImageGenerator)


def test_random_unconditional_tokens_come_from_the_candidate_between_prior_and_generator(
    decoded, artist
):
    draw_block(decoded, artist, quirk("random_unconditional"), sampled)
    given = artist.generator.given
    for row, image_id, candidate in ((0, 7, 0), (3, 9, 1)):
        own = torch.Generator().manual_seed(candidate_seed(0, image_id, candidate))
        prior = torch.randn(5, 16, generator=own)
        tokens = given["image_tokens"][row] - decoded.brain_tokens[row // 2]
        torch.testing.assert_close(tokens, prior, rtol=0, atol=1e-6)
        away = torch.randn(5, 16, generator=own)
        torch.testing.assert_close(given["unconditional"][row], away, rtol=0, atol=0)
        rest = torch.randn(3, generator=given["generators"][row])
        torch.testing.assert_close(rest, torch.randn(3, generator=own), rtol=0, atol=0)


def test_without_random_unconditional_none_are_given_and_no_noise_is_used_up(decoded, artist):
    draw_block(decoded, artist, CONFIG, sampled)
    given = artist.generator.given
    assert given["unconditional"] is None
    own = torch.Generator().manual_seed(candidate_seed(0, 9, 1))
    torch.randn(5, 16, generator=own)
    rest = torch.randn(3, generator=given["generators"][3])
    torch.testing.assert_close(rest, torch.randn(3, generator=own), rtol=0, atol=0)


@pytest.mark.parametrize("on", [True, False])
def test_the_encoder_of_the_vae_sees_the_start_normalised_for_clip_or_between_minus_1_and_1(
    decoded, artist, on, monkeypatch
):
    draw_block(decoded, artist, quirk("clip_normalised_start") if on else CONFIG, sampled)
    blurry = artist.vae.images(decoded.latents).repeat_interleave(2, dim=0)
    seen = []
    encode = artist.vae.model.encode
    monkeypatch.setattr(artist.vae.model, "encode", lambda x: seen.append(x) or encode(x))
    artist.vae.latents(artist.generator.given["start"])
    mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    if on:
        constants = open_clip.constants
        mean, std = constants.OPENAI_DATASET_MEAN, constants.OPENAI_DATASET_STD
    channels = [(blurry[:, one] - mean[one]) / std[one] for one in range(3)]
    torch.testing.assert_close(seen[0], torch.stack(channels, dim=1), rtol=0, atol=1e-5)


def test_a_drawing_from_noise_starts_from_no_picture_however_it_is_normalised(decoded, artist):
    draw_block(decoded, artist, replace(quirk("clip_normalised_start"), strength=1.0), sampled)
    assert artist.generator.given["start"] is None


@pytest.mark.parametrize("on", [True, False])
def test_shifted_pictures_are_0_8_x_plus_0_2_and_seen_so_by_clip(decoded, artist, on):
    drawn = draw_block(decoded, artist, quirk("shifted_range") if on else CONFIG, sampled)
    pictures = artist.generator.generate(torch.zeros(6, 5, 16)).numpy()
    signed = 2 * pictures - 1
    expected = np.clip(0.8 * signed + 0.2, 0, 1) if on else pictures
    levels = np.moveaxis(expected, 1, -1).reshape(3, 2, 32, 32, 3) * 255
    assert np.abs(drawn["candidates"] - levels).max() < 0.502
    seen = embedding_of(artist.clip.tokens(torch.from_numpy(expected).float())).unflatten(0, (3, 2))
    cosines = torch.nn.functional.cosine_similarity(seen, decoded.embeddings[:, None], dim=2)
    np.testing.assert_allclose(drawn["scores"], cosines, atol=1e-4)
    blurry = np.moveaxis(artist.vae.images(decoded.latents).numpy(), 1, -1) * 255
    assert np.abs(drawn["blurry"] - blurry).max() < 0.502


@pytest.mark.parametrize("side", [32, 48])
def test_a_quarter_of_the_finished_picture_is_the_blurry_one(decoded, artist, tmp_path, side):
    artist = replace(artist, generator=Watched(side))
    about = {"run": "runs/one", "weights": "11aa", "simulated": None}
    options = {"sample_tokens": sampled, "about": about}
    plain = reconstruct(decoded, artist, CONFIG, tmp_path / "plain", **options)
    config = quirk("blended_with_blurry")
    mixed = reconstruct(decoded, artist, config, tmp_path / "mixed", **options)
    np.testing.assert_array_equal(mixed.candidates, plain.candidates)
    np.testing.assert_array_equal(mixed.scores, plain.scores)
    for row, chosen in enumerate(plain.scores.argmax(1)):
        np.testing.assert_array_equal(plain.pictures[row], plain.candidates[row, chosen])
        blurry = Image.fromarray(plain.blurry[row]).resize((side, side), Image.Resampling.BILINEAR)
        expected = 0.75 * plain.pictures[row] + 0.25 * np.asarray(blurry, dtype=float)
        assert np.abs(mixed.pictures[row] - expected).max() <= 1
        saved = tmp_path / "mixed" / "pictures" / f"{plain.image_ids[row]:05d}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(saved)), mixed.pictures[row])
    again = load_reconstruction(tmp_path / "mixed")
    np.testing.assert_array_equal(again.pictures, mixed.pictures)
    manifest = json.loads((tmp_path / "mixed" / "manifest.json").read_text())
    assert manifest["settings"]["quirks"] == ["blended_with_blurry"]
    with pytest.raises(ValueError, match=r"settings\.quirks: \[\] here"):
        reconstruct(decoded, artist, CONFIG, tmp_path / "mixed", **options)


def test_without_blurry_picture_nothing_is_blended(decoded, artist, tmp_path):
    options = {"sample_tokens": sampled, "about": {}}
    bare = decoded._replace(latents=None)
    plain = reconstruct(bare, artist, CONFIG, tmp_path / "plain", **options)
    config = quirk("blended_with_blurry", "clip_normalised_start")
    mixed = reconstruct(bare, artist, config, tmp_path / "mixed", **options)
    np.testing.assert_array_equal(mixed.pictures, plain.pictures)

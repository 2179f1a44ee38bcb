"""MindEye2's drawing loop as sgm defines it, image by image, against ours in a batch."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor

from mindeye.models.meta_device import on_meta
from mindeye.reconstruction.generators.sdxl import (
    SCHEDULE,
    SDXL_VAE,
    UNCLIP_UNET,
    SgmEulerScheduler,
)
from mindeye.reconstruction.generators.unclip import load_unclip
from mindeye.verbs.benchmarks.random_sdxl import TINY_TOKENS, write_random_unclip

LARGEST = 1e-5
IMAGES, WIDTH, SIDE = 2, 12, 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_unclip(tmp_path_factory.mktemp("unclip") / "tiny")


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(40 + image) for image in range(IMAGES)]


def all_sigmas() -> list[float]:
    """Of the 1,000 noise levels, the lowest first, in double precision."""
    kept, sigmas = 1.0, []
    for time in range(1000):
        share = time / 999
        beta = (math.sqrt(0.00085) * (1 - share) + math.sqrt(0.012) * share) ** 2
        kept *= 1 - beta
        sigmas.append(math.sqrt((1 - kept) / kept))
    return sigmas


def sgm_sigmas(steps: int) -> list[float]:
    """LegacyDDPMDiscretization: `steps` of them, the highest first, and zero."""
    levels = all_sigmas()
    if steps < 1000:
        chosen = np.linspace(999, 0, steps, endpoint=False).astype(int)[::-1]
        levels = [levels[time] for time in chosen]
    return [*levels[::-1], 0.0]


@pytest.mark.parametrize("steps", [1, 12, 25, 38, 50, 999, 1000])
def test_the_noise_levels_are_those_of_sgm(steps):
    schedule = SgmEulerScheduler.from_config(dict(SCHEDULE))
    schedule.set_timesteps(steps)
    expected = torch.tensor(sgm_sigmas(steps))
    torch.testing.assert_close(schedule.sigmas, expected, rtol=1e-5, atol=1e-6)


def test_diffusers_own_trailing_levels_are_the_same_at_50_steps_and_others_at_mindeye2s_38():
    theirs = EulerDiscreteScheduler.from_config(dict(SCHEDULE))
    theirs.set_timesteps(50)
    torch.testing.assert_close(theirs.sigmas, torch.tensor(sgm_sigmas(50)), rtol=1e-5, atol=1e-6)
    theirs.set_timesteps(38)
    assert (theirs.sigmas - torch.tensor(sgm_sigmas(38))).abs().max() > 0.05


def denoised_by_sgm(unet, latents: Tensor, sigma: float, tokens: Tensor, levels: Tensor) -> Tensor:
    """DiscreteDenoiser with EpsScaling; one condition."""
    index = int((levels - sigma).abs().argmin())
    scale_in, scale_out, scale_skip = 1 / math.sqrt(sigma**2 + 1), -sigma, 1.0
    conditions = {
        "text_embeds": torch.zeros(1, 0),
        "time_ids": torch.tensor([[float(SIDE), float(SIDE), 0.0, 0.0]]),
    }
    told = unet(
        latents * scale_in,
        torch.tensor(float(index)),
        encoder_hidden_states=tokens,
        added_cond_kwargs=conditions,
    ).sample
    return told * scale_out + latents * scale_skip


@functools.cache
def networks_in(folder) -> tuple[UNet2DConditionModel, AutoencoderKL]:
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    return unet, AutoencoderKL.from_pretrained(folder, subfolder="vae")


def published_loop(folder, tokens, generator, *, steps, base=None, first=0, unconditional):
    """One image: unclip_recon() and EulerEDMSampler without churn, VanillaCFG 5."""
    unet, vae = networks_in(folder)
    levels = torch.tensor(all_sigmas())
    sigmas = sgm_sigmas(steps)[first:]
    if base is None:
        base = torch.randn(1, 4, 8, 8, generator=generator)
    noise = torch.randn(1, 4, 8, 8, generator=generator)
    noise = noise + 0.04 * torch.randn(1, generator=generator).view(1, 1, 1, 1)
    latents = (base + noise * sigmas[0]) / math.sqrt(1 + sigmas[0] ** 2)
    latents = latents * math.sqrt(1 + sigmas[0] ** 2)  # prepare_sampling_loop
    for now, after in itertools.pairwise(sigmas):
        plain = denoised_by_sgm(unet, latents, now, unconditional, levels)
        led = denoised_by_sgm(unet, latents, now, tokens, levels)
        denoised = plain + 5.0 * (led - plain)
        latents = latents + (latents - denoised) / now * (after - now)
    return vae.decode(latents / 0.13025).sample[0]


@torch.inference_mode()
@pytest.mark.parametrize("random_unconditional", [True, False])
def test_drawing_from_noise_is_the_published_loop(folder, random_unconditional):
    tokens = normal(IMAGES, TINY_TOKENS, WIDTH, seed=1)
    other = normal(IMAGES, TINY_TOKENS, WIDTH, seed=2) if random_unconditional else None
    drawn = load_unclip(folder).generate(
        tokens,
        start=None,
        strength=1.0,
        steps=38,
        guidance=5.0,
        generators=seeds(),
        unconditional=other,
    )
    for image, generator in enumerate(seeds()):
        rows = slice(image, image + 1)
        theirs = published_loop(
            folder,
            tokens[rows],
            generator,
            steps=38,
            unconditional=torch.zeros_like(tokens[rows]) if other is None else other[rows],
        )
        expected = ((theirs + 1) / 2).clamp(0, 1)
        assert expected.std() > 0.05
        assert (drawn[image] - expected).abs().max() <= LARGEST


@torch.inference_mode()
def test_drawing_from_a_picture_begins_in_the_middle_of_the_same_loop(folder):
    tokens = normal(IMAGES, TINY_TOKENS, WIDTH, seed=1)
    blurry = normal(IMAGES, 3, SIDE, SIDE, seed=3) * 0.2 + 0.5
    drawn = load_unclip(folder).generate(
        tokens, start=blurry, strength=0.5, steps=38, guidance=5.0, generators=seeds()
    )
    _, vae = networks_in(folder)
    for image, generator in enumerate(seeds()):
        base = vae.encode(2 * blurry[image : image + 1] - 1).latent_dist.mode() * 0.13025
        theirs = published_loop(
            folder,
            tokens[image : image + 1],
            generator,
            steps=38,
            base=base,
            first=19,
            unconditional=torch.zeros(1, TINY_TOKENS, WIDTH),
        )
        assert (drawn[image] - ((theirs + 1) / 2).clamp(0, 1)).abs().max() <= LARGEST


def test_the_networks_have_the_published_sizes():
    unet = on_meta(lambda: UNet2DConditionModel.from_config(dict(UNCLIP_UNET)))
    vae = on_meta(lambda: AutoencoderKL.from_config(dict(SDXL_VAE)))
    assert sum(one.numel() for one in unet.parameters()) == 2_501_272_324
    assert sum(one.numel() for one in vae.parameters()) == 83_653_863
    assert unet.config.sample_size * 8 == vae.config.sample_size == 768

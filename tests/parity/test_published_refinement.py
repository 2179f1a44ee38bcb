"""MindEye2's refinement as its released code steps, image by image, against ours in a batch."""

import itertools
import math

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from mindeye.reconstruction.generators.refinement import NEGATIVE_PROMPT, load_refiner
from mindeye.verbs.benchmarks.random_sdxl_pipeline import write_random_sdxl

LARGEST = 1e-5
SIDE = 64
PROMPTS = ["a boat", "two dogs on a sofa"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_sdxl(tmp_path_factory.mktemp("sdxl") / "tiny")


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(40 + image) for image in range(len(PROMPTS))]


def all_sigmas() -> np.ndarray:
    """Of the 1,000 noise levels, the lowest first."""
    betas = np.linspace(math.sqrt(0.00085), math.sqrt(0.012), 1000) ** 2
    kept = np.cumprod(1 - betas)
    return np.sqrt((1 - kept) / kept)


def text_of(folder, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Last but one layers of both encoders side by side, and the pooled second."""
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    tokens = tokenizer(
        text, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids
    first = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder")
    second = CLIPTextModelWithProjection.from_pretrained(folder, subfolder="text_encoder_2")
    one = first(tokens, output_hidden_states=True).hidden_states[-2]
    other = second(tokens, output_hidden_states=True)
    return torch.cat([one, other.hidden_states[-2]], dim=-1), other.text_embeds


def published_loop(folder, picture, prompt, generator):
    """One image: sigmas[-13:] of 25 steps, twelve steps of EulerEDMSampler, VanillaCFG 5."""
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    levels = all_sigmas()
    chosen = np.linspace(999, 0, 25, endpoint=False).astype(int)
    sigmas = [*levels[chosen].tolist(), 0.0][-13:]
    assert len(sigmas) - 1 == 12
    posterior = vae.encode(2 * picture[None] - 1).latent_dist
    drawn = torch.randn(1, 4, 8, 8, generator=generator)
    base = (posterior.mean + posterior.std * drawn) * 0.13025
    latents = base + sigmas[0] * torch.randn(1, 4, 8, 8, generator=generator)
    conditions = [text_of(folder, text) for text in (NEGATIVE_PROMPT, prompt)]
    sizes = torch.tensor([[float(SIDE), float(SIDE), 0.0, 0.0, 1024.0, 1024.0]])

    def denoised(sigma, tokens, pooled):
        index = int(np.abs(levels - sigma).argmin())
        told = unet(
            latents / math.sqrt(sigma**2 + 1),
            torch.tensor(float(index)),
            encoder_hidden_states=tokens,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
        ).sample
        return latents - sigma * told

    for now, after in itertools.pairwise(sigmas):
        plain, led = (denoised(now, *condition) for condition in conditions)
        clean = plain + 5.0 * (led - plain)
        latents = latents + (latents - clean) / now * (after - now)
    return ((vae.decode(latents / 0.13025).sample + 1) / 2).clamp(0, 1)[0]


@torch.inference_mode()
def test_the_published_refinement_is_reproduced(folder):
    pictures = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    refiner = load_refiner(folder, side=SIDE)
    refined = refiner.refine(pictures, PROMPTS, generators=seeds())
    for image, generator in enumerate(seeds()):
        theirs = published_loop(folder, pictures[image], PROMPTS[image], generator)
        assert theirs.std() > 0.05
        assert (refined[image] - theirs).abs().max() <= LARGEST
    other = refiner.refine(pictures, PROMPTS[::-1], generators=seeds())
    assert (other - refined).abs().max() > 1e-4


def test_a_picture_without_a_prompt_and_a_folder_without_a_pipeline_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="2 pictures and 1 prompts"):
        load_refiner(folder).refine(torch.rand(2, 3, 64, 64), ["a"], generators=seeds())
    with pytest.raises(FileNotFoundError, match=r"model_index\.json is missing"):
        load_refiner(tmp_path)

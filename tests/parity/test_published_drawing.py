"""MindEye1's drawing loop, image by image, against ours in a batch; random networks."""

from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionImageVariationPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.deprecated import VersatileDiffusionImageVariationPipeline

from mindeye.reconstruction.drawing import start_of
from mindeye.reconstruction.generators.image_variations import load_image_variations
from mindeye.reconstruction.generators.token_diffusion import published_schedule
from mindeye.reconstruction.generators.versatile import load_versatile
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.benchmarks.random_generators import SCHEDULE, write_random_generator

TOKENS, WIDTH, SIDE, IMAGES = 7, 24, 16, 3
LARGEST = 1e-5
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("random")
    shapes = {"versatile": (TOKENS, WIDTH), "image-variations": (1, WIDTH)}
    return {
        name: write_random_generator(name, place / name, token_shape=shape, small=True)
        for name, shape in shapes.items()
    }


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(40 + image) for image in range(IMAGES)]


def tokens_of(name: str) -> torch.Tensor:
    # Far from the length that the network knows: dividing by it must matter.
    return 3 * normal(IMAGES, TOKENS if name == "versatile" else 1, WIDTH, seed=1)


def published_solver() -> UniPCMultistepScheduler:
    """Stable Diffusion's noise, and the last step of diffusers 0.13 (the golden test below)."""
    return UniPCMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        final_sigmas_type="sigma_min",
    )


def published_loop(folder, unet_folder, tokens, blurry, generator, *, guidance, strength):
    """One image as MindEye1's reconstruction() draws it, in plain steps of diffusers' classes."""
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder=unet_folder)
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    schedule = published_solver()
    schedule.set_timesteps(20)
    context = torch.cat([torch.zeros_like(tokens), tokens])
    if blurry is None:
        times = schedule.timesteps
        latents = torch.randn(1, 4, 8, 8, generator=generator) * schedule.init_noise_sigma
    else:
        kept = min(int(20 * strength), 20)
        times = schedule.timesteps[20 - kept :]
        assert len(times) == 17
        posterior = vae.encode((blurry[None] - MEAN) / STD).latent_dist
        encoded = 0.18215 * (
            posterior.mean + posterior.std * torch.randn(1, 4, 8, 8, generator=generator)
        )
        noise = torch.randn(1, 4, 8, 8, generator=generator)
        share = schedule.alphas_cumprod[times[0]]
        latents = share**0.5 * encoded + (1 - share) ** 0.5 * noise
    for time in times:
        predicted = unet(torch.cat([latents] * 2), time, encoder_hidden_states=context).sample
        without, led = predicted.chunk(2)
        predicted = without + guidance * (led - without)
        latents = schedule.step(predicted, time, latents).prev_sample
    return (vae.decode(latents / 0.18215).sample / 2 + 0.5).clamp(0, 1)[0]


@torch.inference_mode()
@pytest.mark.parametrize("starts", [True, False], ids=["img2img", "noise"])
@pytest.mark.parametrize("name", ["versatile", "image-variations"])
def test_the_published_loop_is_reproduced(folders, name, starts):
    tokens = tokens_of(name)
    # Decoded latents are not clamped: some of the start lies outside [0, 1].
    blurry = 0.5 + 0.6 * normal(IMAGES, 3, SIDE, SIDE, seed=2)
    is_versatile = name == "versatile"
    load = load_versatile if is_versatile else load_image_variations
    guidance, strength = (3.5, 0.85) if is_versatile else (7.5, 0.85)
    quirks = ReconstructionConfig(quirks=("clip_normalised_start",))
    drawn = load(folders[name]).generate(
        tokens,
        start=start_of(blurry, quirks) if starts else None,
        strength=strength,
        steps=20,
        guidance=guidance,
        generators=seeds(),
    )
    for image, generator in enumerate(seeds()):
        own = tokens[image : image + 1]
        if is_versatile:
            own = own / (own[:, 0].norm(dim=-1).reshape(-1, 1, 1) + 1e-6)
        theirs = published_loop(
            folders[name],
            "image_unet" if is_versatile else "unet",
            own,
            blurry[image] if starts else None,
            generator,
            guidance=guidance,
            strength=strength,
        )
        assert theirs.std() > 0.05
        assert (drawn[image] - theirs).abs().max() <= LARGEST


class WithTokens(VersatileDiffusionImageVariationPipeline):
    """The deprecated pipeline, handed tokens where it would encode a picture."""

    def _encode_prompt(self, prompt, *others):
        return torch.cat([torch.zeros_like(prompt), prompt])

    def check_inputs(self, *others):
        pass


class WithEmbedding(StableDiffusionImageVariationPipeline):
    """The maintained pipeline of image variations, handed an embedding."""

    def _encode_image(self, image, *others):
        return torch.cat([torch.zeros_like(image), image])

    def check_inputs(self, *others):
        pass


@torch.inference_mode()
@pytest.mark.parametrize("name", ["versatile", "image-variations"])
def test_diffusers_own_pipelines_draw_the_same_from_noise(folders, name):
    folder, tokens = folders[name], tokens_of(name)
    parts = {
        "vae": AutoencoderKL.from_pretrained(folder, subfolder="vae"),
        "image_encoder": None,
        "scheduler": published_solver(),
    }
    if name == "versatile":
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="image_unet")
        pipeline = WithTokens(image_unet=unet, image_feature_extractor=None, **parts)
        drawing = load_versatile(folder)
        shown = tokens / (tokens[:, :1].norm(dim=-1, keepdim=True) + 1e-6)
    else:
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
        pipeline = WithEmbedding(
            unet=unet,
            feature_extractor=None,
            safety_checker=None,
            requires_safety_checker=False,
            **parts,
        )
        drawing, shown = load_image_variations(folder), tokens
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        shown,
        num_inference_steps=6,
        guidance_scale=3.5,
        generator=seeds(),
        output_type="pt",
    ).images
    ours = drawing.generate(
        tokens, start=None, strength=1.0, steps=6, guidance=3.5, generators=seeds()
    )
    assert (ours - theirs).abs().max() <= LARGEST


# What UniPCMultistepScheduler of diffusers 0.13.1 makes of the same numbers (torch 2.15).
FIRST = torch.tensor([0.3, -1.2, 0.8, 1.9, -0.4, -0.9]).view(1, 1, 2, 3)
OF_0_13 = {
    3: [-0.032162, -3.117175, 1.068182, 7.836512, -0.203917, -1.634392],
    0: [0.107118, -4.878836, 2.201067, 18.162251, -0.397844, -7.231925],
}


@pytest.mark.parametrize("skipped", OF_0_13)
def test_the_schedule_steps_as_in_the_diffusers_that_mindeye1_used(tmp_path, skipped):
    DDIMScheduler(**SCHEDULE).save_pretrained(tmp_path / "scheduler")
    schedule = UniPCMultistepScheduler.from_config(published_schedule(tmp_path))
    schedule.set_timesteps(20)
    schedule.set_begin_index(skipped)
    times = schedule.timesteps[skipped:]
    start = torch.linspace(-1.5, 1.5, 6).view(1, 1, 2, 3)
    latents = schedule.add_noise(start, FIRST, times[:1]) if skipped else FIRST
    for time in times:
        predicted = torch.tanh(latents) * 0.8 + 0.1 * latents.flip(-1) * time / 1000
        latents = schedule.step(predicted, time, latents).prev_sample
    expected = torch.tensor(OF_0_13[skipped])
    torch.testing.assert_close(latents.flatten(), expected, rtol=1e-5, atol=1e-5)

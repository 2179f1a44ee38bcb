"""IP-Adapter-Plus against diffusers' own pipelines, image by image; random networks."""

import math

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from mindeye.models.meta_device import on_meta
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES, load_ip_adapter
from mindeye.targets.clip import load_clip
from mindeye.verbs.benchmarks.random_sdxl import (
    SDXL_UNET,
    adapter_shapes,
    write_random_ip_adapter,
)

LARGEST = 1e-5
IMAGES, TOKENS, WIDTH = 2, 5, 16
NAMES = tuple(ADAPTER_FILES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("adapters")
    return {
        name: write_random_ip_adapter(name, place / name, token_shape=(TOKENS, WIDTH))
        for name in NAMES
    }


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(40 + image) for image in range(IMAGES)]


def pipeline_of(name: str, folder, *, is_img2img: bool):
    """Diffusers' pipeline without any text encoder, the adapter loaded by diffusers."""
    is_sdxl = name == "ip-adapter-sdxl"
    kind = {
        (True, True): StableDiffusionXLImg2ImgPipeline,
        (True, False): StableDiffusionXLPipeline,
        (False, True): StableDiffusionImg2ImgPipeline,
        (False, False): StableDiffusionPipeline,
    }[is_sdxl, is_img2img]
    others = {"text_encoder": None, "tokenizer": None, "feature_extractor": None}
    if is_sdxl:
        others |= {"text_encoder_2": None, "tokenizer_2": None}
    else:
        others |= {"safety_checker": None, "requires_safety_checker": False}
    pipeline = kind(
        unet=UNet2DConditionModel.from_pretrained(folder, subfolder="unet"),
        vae=AutoencoderKL.from_pretrained(folder, subfolder="vae"),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler"),
        **others,
    )
    subfolder, file = ADAPTER_FILES[name].split("/")
    pipeline.load_ip_adapter(
        str(folder), subfolder=subfolder, weight_name=file, image_encoder_folder=None
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.inference_mode()
@pytest.mark.parametrize("is_img2img", [True, False], ids=["img2img", "noise"])
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_that_of_diffusers_pipeline(folders, networks, name, is_img2img):
    clip = load_clip(networks.clip, form="penultimate")
    generator = load_ip_adapter(name, folders[name], folders[name], clip)
    tokens = normal(IMAGES, TOKENS, WIDTH, seed=1)
    start = torch.rand(IMAGES, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    drawn = generator.generate(
        tokens,
        start=start if is_img2img else None,
        strength=0.6,
        steps=10,
        guidance=4.0,
        generators=seeds(),
    )
    pipeline = pipeline_of(name, folders[name], is_img2img=is_img2img)
    zeros = {"prompt_embeds": torch.zeros(1, 77, 20)}
    if name == "ip-adapter-sdxl":
        zeros["pooled_prompt_embeds"] = torch.zeros(1, 1280)
    zeros |= {f"negative_{name}": value for name, value in zeros.items()}
    for image, seed in enumerate(seeds()):
        begin = {"image": start[image : image + 1], "strength": 0.6} if is_img2img else {}
        both = torch.stack([generator.negative, tokens[image]])[:, None]
        theirs = pipeline(
            **zeros,
            **begin,
            ip_adapter_image_embeds=[both],
            num_inference_steps=10,
            guidance_scale=4.0,
            generator=seed,
            output_type="pt",
        ).images[0]
        assert theirs.std() > 0.05
        assert (drawn[image] - theirs).abs().max() <= LARGEST


@torch.inference_mode()
def test_the_negative_is_what_diffusers_makes_of_a_picture(folders, networks):
    """Zeros behind the normalisation, where diffusers puts them; not a black picture."""
    clip = load_clip(networks.clip, form="penultimate")
    generator = load_ip_adapter(NAMES[0], folders[NAMES[0]], folders[NAMES[0]], clip)
    grey = clip.tokens(torch.full((1, 3, 32, 32), 0.5))  # this CLIP's mean
    torch.testing.assert_close(generator.negative, grey[0], rtol=0, atol=1e-6)
    black = clip.tokens(torch.zeros(1, 3, 32, 32))
    assert (generator.negative - black[0]).abs().max() > 0.1
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
            projection_dim=16,
        )
    )
    pipeline = pipeline_of(NAMES[0], folders[NAMES[0]], is_img2img=False)
    pipeline.image_encoder = encoder
    seen = []
    encoder.register_forward_pre_hook(
        lambda module, given, named: seen.append(given[0]), with_kwargs=True
    )
    pipeline.encode_image(torch.full((1, 3, 32, 32), 0.7), "cpu", 1, True)
    assert seen[1].abs().max() == 0


def test_network_and_adapter_have_the_published_sizes():
    unet = on_meta(lambda: UNet2DConditionModel.from_config(dict(SDXL_UNET)))
    assert sum(one.numel() for one in unet.parameters()) == 2_567_463_684
    assert unet.config.sample_size * 8 == 1024
    shapes = adapter_shapes(unet, 1280, width=1280, heads=20, queries=16)
    # The published file has 848 MB, in 16 bits and with a header.
    assert 847.4 < 2 * sum(map(math.prod, shapes.values())) / 1e6 < 848

"""Facts of every generator: what it takes, where its weights are, under which licence."""

from collections.abc import Mapping
from types import MappingProxyType

from mindeye.reconstruction.generators.facts import (
    DrawingDefaults,
    GeneratorFacts,
    HubPart,
    Memory,
)

OFFLINE = "scenes"
VIT_L, VIT_H = "OpenAI CLIP ViT-L/14", "OpenCLIP ViT-H-14, laion2b_s32b_b79k"
MINDEYE1_SOURCE = "MindEye1's released inference code"
# What Stable Diffusion 1 needs for a picture of 512 x 512, whatever its UNet reads.
SD1_MEMORY = Memory(weights_gigabytes=1.9, estimate_gigabytes=3.5, card_gigabytes=8)
# Of a repository in diffusers' layout that also holds 16-bit weights.
HALF_FILES = (
    *("unet/config.json", "unet/*.fp16.safetensors"),
    *("vae/config.json", "vae/*.fp16.safetensors", "scheduler/*"),
)


def _ip_adapter_file(name: str, gigabytes: float) -> HubPart:
    return HubPart(
        repository="h94/IP-Adapter", files=(name,), gigabytes=gigabytes, licence="Apache-2.0"
    )


CATALOGUE: Mapping[str, GeneratorFacts] = MappingProxyType(
    {
        OFFLINE: GeneratorFacts(
            about="offline: drawn scenes, small, comes with the package",
            token_shape=None,
            clip="scenes-clip, in the package",
            form="projected",
            side=None,
            defaults=DrawingDefaults(
                steps=8,
                guidance=2.0,
                strength=0.7,
                source="validation images of the demo's subject, seed 0",
            ),
        ),
        "versatile": GeneratorFacts(
            about="MindEye1's: Versatile Diffusion, image branch",
            token_shape=(257, 768),
            clip=VIT_L,
            form="projected",
            side=512,
            defaults=DrawingDefaults(
                steps=20, guidance=3.5, strength=0.85, system="mindeye1", source=MINDEYE1_SOURCE
            ),
            parts=(
                HubPart(
                    repository="shi-labs/versatile-diffusion",
                    files=("image_unet/*", "vae/*", "scheduler/*"),
                    gigabytes=3.8,
                    licence="MIT",
                ),
            ),
            memory=SD1_MEMORY,
        ),
        "image-variations": GeneratorFacts(
            about="of MindEye1's 1 x 768 variant: Stable Diffusion image variations",
            token_shape=(1, 768),
            clip=VIT_L,
            form="embedding",
            side=512,
            defaults=DrawingDefaults(
                steps=20, guidance=7.5, strength=0.85, system="mindeye1", source=MINDEYE1_SOURCE
            ),
            parts=(
                HubPart(
                    repository="lambdalabs/sd-image-variations-diffusers",
                    files=("unet/*", "vae/*", "scheduler/*"),
                    gigabytes=3.8,
                    licence="CreativeML OpenRAIL-M",
                    revision="v2.0",
                ),
            ),
            memory=SD1_MEMORY,
        ),
        "unclip": GeneratorFacts(
            about="MindEye2's: SDXL unCLIP; `mindeye convert unclip` makes its folder",
            token_shape=(256, 1664),
            clip="OpenCLIP ViT-bigG-14, laion2b_s39b_b160k",
            form="patches",
            side=768,
            # Without start: img2img is not in it.
            defaults=DrawingDefaults(
                steps=38,
                guidance=5.0,
                strength=1.0,
                system="mindeye2",
                source="MindEye2's released inference code",
            ),
            parts=(
                HubPart(
                    repository="pscotti/mindeyev2",
                    files=("unclip6_epoch0_step110000.ckpt",),
                    # Counted in float32, with the image side of its CLIP; the hub was not asked.
                    gigabytes=17.7,
                    licence="none is told; it derives from SDXL (CreativeML Open RAIL++-M): ask "
                    "its authors",
                    is_dataset=True,
                ),
            ),
            # UNet in 16 bits, VAE in float32.
            memory=Memory(weights_gigabytes=5.3, estimate_gigabytes=8.4, card_gigabytes=12),
        ),
        "ip-adapter-sdxl": GeneratorFacts(
            about="maintained and widely used: SDXL with IP-Adapter-Plus",
            token_shape=(257, 1280),
            clip=VIT_H,
            form="penultimate",
            side=1024,
            defaults=DrawingDefaults(
                steps=30,
                guidance=5.0,
                source="IP-Adapter's released code (30 steps), which leaves guidance to diffusers' "
                "SDXL pipeline (5)",
            ),
            parts=(
                HubPart(
                    repository="stabilityai/stable-diffusion-xl-base-1.0",
                    files=HALF_FILES,
                    gigabytes=5.3,
                    licence="CreativeML Open RAIL++-M",
                ),
                _ip_adapter_file("sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors", 0.85),
            ),
            memory=Memory(weights_gigabytes=6.3, estimate_gigabytes=10.7, card_gigabytes=12),
        ),
        "ip-adapter-sd15": GeneratorFacts(
            about="for small cards: Stable Diffusion 1.5 with IP-Adapter-Plus",
            token_shape=(257, 1280),
            clip=VIT_H,
            form="penultimate",
            side=512,
            defaults=DrawingDefaults(steps=30, guidance=7.5, source="IP-Adapter's released code"),
            parts=(
                HubPart(
                    repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
                    files=HALF_FILES,
                    gigabytes=1.9,
                    licence="CreativeML OpenRAIL-M",
                ),
                _ip_adapter_file("models/ip-adapter-plus_sd15.safetensors", 0.1),
            ),
            memory=Memory(weights_gigabytes=2.15, estimate_gigabytes=4.2, card_gigabytes=8),
        ),
    }
)


PUBLISHED_GENERATOR_OF: Mapping[str, str] = MappingProxyType(
    {"mindeye1": "versatile", "mindeye2": "unclip"}
)
"""What the published systems draw with."""


def fitting_generator(token_shape: tuple[int, int], form: str) -> str | None:
    """The first generator that is published for such tokens; None where there is none."""
    for name, facts in CATALOGUE.items():
        if facts.token_shape == token_shape and facts.form == form:
            return name
    return None


def facts_of(name: str) -> GeneratorFacts:
    """The facts of one generator.

    Raises:
        LookupError: an unknown name.
    """
    if name not in CATALOGUE:
        raise LookupError(f"Unknown generator `{name}`. Choose one of {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]

"""Generators of random weights that never touch a disk: of the published sizes, or small."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, UNet2DConditionModel

from mindeye.reconstruction.generators import sdxl
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.empty_prompt import no_prompt
from mindeye.reconstruction.generators.image_variations import at_own_length
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES, IpAdapter, with_adapter
from mindeye.reconstruction.generators.latent_diffusion import LatentVae
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.token_diffusion import TokenDiffusion
from mindeye.reconstruction.generators.unclip import SdxlUnclip
from mindeye.reconstruction.generators.versatile import divided_by_cls_norm
from mindeye.verbs.benchmarks import random_generators as sd1
from mindeye.verbs.benchmarks import random_sdxl

SEED = 0


@dataclass(frozen=True, kw_only=True)
class GeneratorPlan:
    """What a generator's networks are made with."""

    name: str
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    token_shape: tuple[int, int]
    adapter: Mapping[str, int] | None = None
    """Of `adapter_shapes`; None: the UNet reads the tokens itself."""

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""
        return self.unet["sample_size"] * 2 ** (len(self.vae["block_out_channels"]) - 1)

    def vae_dtype(self, dtype: torch.dtype) -> torch.dtype:
        """That of the VAE beside a UNet of `dtype`, as the generator's loader chooses it."""
        return dtype if self.name in sd1.UNET_FOLDERS else sdxl.vae_dtype(dtype)

    def networks(self, dtype: torch.dtype) -> tuple[UNet2DConditionModel, AutoencoderKL]:
        """UNet, without its adapter, and VAE, on the device that is the default."""
        with _made_in(dtype):
            unet = UNet2DConditionModel(**self.unet)
        with _made_in(self.vae_dtype(dtype)):
            vae = AutoencoderKL(**self.vae)
        return unet.eval(), vae.eval()

    def adapter_parameters(self, unet: UNet2DConditionModel) -> int:
        """How many numbers the adapter adds to the UNet."""
        if self.adapter is None:
            return 0
        shapes = random_sdxl.adapter_shapes(unet, self.token_shape[1], **self.adapter)
        return sum(torch.Size(shape).numel() for shape in shapes.values())


def generator_plan(
    name: str, token_shape: tuple[int, int] | None = None, *, small: bool = False
) -> GeneratorPlan:
    """Of a generator with weights published elsewhere, as it is published or `small`.

    Args:
        token_shape: that it is to take; None: as published.

    Raises:
        LookupError: an unknown generator, or one without random networks.
    """
    shape = token_shape or facts_of(name).token_shape
    if shape is None:
        raise LookupError(f"There is no random `{name}`: its weights come with the package.")
    if name in sd1.UNET_FOLDERS:
        plans = sd1.plans_of(name, shape, small=small)
        unet, vae = plans[sd1.UNET_FOLDERS[name]].config, plans["vae"].config
        return GeneratorPlan(name=name, unet=unet, vae=vae, token_shape=shape)
    if name == "unclip":
        unet = random_sdxl.TINY_UNCLIP_UNET if small else sdxl.UNCLIP_UNET
        unet = {**unet, "cross_attention_dim": shape[1]}
        vae = random_sdxl.TINY_VAE if small else sdxl.SDXL_VAE
        return GeneratorPlan(name=name, unet=unet, vae=vae, token_shape=shape)
    if name == "ip-adapter-sdxl":
        unet = random_sdxl.TINY_SDXL_UNET if small else random_sdxl.SDXL_UNET
        vae = random_sdxl.TINY_VAE if small else sdxl.SDXL_VAE
        heads = 20
    else:
        unet = {**sd1.UNET, "cross_attention_dim": 768}
        unet = random_sdxl.TINY_SD15_UNET if small else unet
        vae = random_sdxl.TINY_VAE if small else sd1.VAE
        heads = 12
    # As published, of both: h94/IP-Adapter's "plus" files.
    published = {"width": heads * random_sdxl.HEAD_WIDTH, "heads": heads, "queries": 16}
    adapter = {} if small else published
    return GeneratorPlan(name=name, unet=unet, vae=vae, token_shape=shape, adapter=adapter)


def random_generator(
    plan: GeneratorPlan, *, dtype: torch.dtype, device: torch.device | str
) -> ImageGenerator:
    """A generator that draws noise at the cost of pictures; its identity says that it is random."""
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(SEED)
        unet, vae = plan.networks(dtype)
        if plan.adapter is not None:
            with_adapter(unet, _adapter(plan, unet))
    for network in (unet, vae):
        network.requires_grad_(False)
    shared = {
        "unet": unet,
        "vae": LatentVae(model=vae, side=plan.side),
        "identity": f"{plan.name}-random-{SEED}",
        "token_shape": plan.token_shape,
    }
    if plan.name in ADAPTER_FILES:
        negative = torch.zeros(plan.token_shape, device=device)
        schedule = {**sdxl.SCHEDULE, "timestep_spacing": "leading", "steps_offset": 1}
        schedule = EulerDiscreteScheduler(**schedule).config
        read = {"negative": negative, "prompt": no_prompt(unet, device)}
        return IpAdapter(name=plan.name, scheduler_config=schedule, **read, **shared)
    if plan.name == "unclip":
        schedule = EulerDiscreteScheduler(**sdxl.SCHEDULE).config
        return SdxlUnclip(scheduler_config=schedule, **shared)
    schedule = {**DDIMScheduler(**sd1.SCHEDULE).config}
    schedule |= {"final_sigmas_type": "sigma_min", "timestep_spacing": "linspace"}
    as_published = divided_by_cls_norm if plan.name == "versatile" else at_own_length
    return TokenDiffusion(
        name=plan.name, scheduler_config=schedule, as_published=as_published, **shared
    )


@contextmanager
def _made_in(dtype: torch.dtype) -> Iterator[None]:
    """Networks get their dtype when they are made: tensors without values cannot be cast."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _adapter(plan: GeneratorPlan, unet: UNet2DConditionModel) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    shapes = random_sdxl.adapter_shapes(unet, plan.token_shape[1], **plan.adapter)
    for name, shape in shapes.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = torch.randn(shape, dtype=unet.dtype) * shape[-1] ** -0.5
    return parts

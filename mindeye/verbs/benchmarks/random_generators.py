"""Generators with the published classes and random weights: to test and to time, not to look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AutoencoderKL, ConfigMixin, DDIMScheduler, UNet2DConditionModel

from mindeye.files import atomic_folder, write_json
from mindeye.models.meta_device import on_meta
from mindeye.reconstruction.generators import image_variations, versatile
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.token_fit import RANDOM_MARK

# Stable Diffusion 1, as both published folders describe it.
UNET = {
    "sample_size": 64,
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "attention_head_dim": 8,
}
VAE = {
    "sample_size": 256,
    "layers_per_block": 2,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
}
SMALL_UNET = {
    "sample_size": 8,
    "layers_per_block": 1,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "attention_head_dim": 4,
}
SMALL_VAE = {
    "sample_size": 16,
    "layers_per_block": 1,
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "latent_channels": 4,
    "norm_num_groups": 4,
}
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """A class of diffusers and what it is made with."""

    kind: type[ConfigMixin]
    config: Mapping[str, Any]

    def made(self) -> ConfigMixin:
        """With random weights."""
        return self.kind(**self.config)


UNET_FOLDERS = MappingProxyType(
    {
        "versatile": versatile.UNET_FOLDER,
        "image-variations": image_variations.UNET_FOLDER,
    }
)


def plans_of(
    name: str, token_shape: tuple[int, int] | None = None, *, small: bool = False
) -> dict[str, NetworkPlan]:
    """Subfolder -> network of a generator, as it is published or `small`.

    Raises:
        LookupError: an unknown generator, or one without random networks.
    """
    _, width = token_shape or facts_of(name).token_shape or (None, None)
    if name not in UNET_FOLDERS:
        raise LookupError(f"There is no random `{name}`. Choose one of {', '.join(UNET_FOLDERS)}.")
    unet = {**(SMALL_UNET if small else UNET), "cross_attention_dim": width}
    return {
        UNET_FOLDERS[name]: NetworkPlan(kind=UNet2DConditionModel, config=unet),
        "vae": NetworkPlan(kind=AutoencoderKL, config=SMALL_VAE if small else VAE),
        "scheduler": NetworkPlan(kind=DDIMScheduler, config=SCHEDULE),
    }


def num_parameters(plan: NetworkPlan) -> int:
    """Counted on the meta device: no values are made."""
    return sum(one.numel() for one in on_meta(plan.made).parameters())


def write_random_generator(
    name: str,
    folder: Path,
    *,
    token_shape: tuple[int, int] | None = None,
    small: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Path:
    """Writes a folder that `open_generator(name, folder)` opens, whole or not at all.

    RANDOM.json in it, and then the generator's identity, say that nothing was learned.

    Args:
        token_shape: that it is to take; None: as published.

    Raises:
        LookupError: see `plans_of`.
    """
    plans = plans_of(name, token_shape, small=small)
    with atomic_folder(folder) as temporary, torch.random.fork_rng():
        torch.manual_seed(seed)
        for place, plan in plans.items():
            made = plan.made()
            if isinstance(made, torch.nn.Module):
                # Not diffusers' own `to`, which warns of every cast.
                torch.nn.Module.to(made, dtype)
            made.save_pretrained(temporary / place)
        mark = {"random": True, "generator": name, "seed": seed}
        mark["token_shape"] = list(token_shape or facts_of(name).token_shape)
        write_json(temporary / RANDOM_MARK, mark)
    return folder

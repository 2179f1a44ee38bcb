"""A published generator whose UNet reads image tokens where others read a text."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UniPCMultistepScheduler
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.latent_diffusion import LatentVae, side_of
from mindeye.reconstruction.generators.latent_generator import LatentGenerator
from mindeye.reconstruction.generators.network_folder import load_network, weights_hash
from mindeye.reconstruction.generators.placing import place, require_possible, torch_dtype
from mindeye.reconstruction.generators.token_fit import (
    marked_name,
    require_width,
    token_shape_of,
)

AsPublished = Callable[[Tensor], Tensor]
"""What is done to tokens before the network reads them."""


@dataclass(frozen=True, kw_only=True)
class TokenDiffusion(LatentGenerator):
    """Implements `ImageGenerator` with diffusers' UNet, VAE and UniPC, as MindEye1 draws.

    Differs: MindEye1 draws the posterior of a start once for all candidates of an image.
    """

    as_published: AsPublished

    schedule: ClassVar = UniPCMultistepScheduler

    def ready(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        return self.as_published(tokens)

    def predict(
        self,
        latents: Float[Tensor, "images channels rows columns"],
        time: Shaped[Tensor, ""],
        tokens: Float[Tensor, "images tokens width"],
    ) -> Float[Tensor, "images channels rows columns"]:
        dtype = self.unet.dtype
        told = self.unet(latents.to(dtype), time, encoder_hidden_states=tokens.to(dtype))
        return told.sample.float()


def load_token_diffusion(
    name: str,
    folder: Path,
    unet_folder: str,
    as_published: AsPublished,
    *,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> TokenDiffusion:
    """Opens UNet, VAE and schedule of a folder in diffusers' layout.

    Args:
        unet_folder: the UNet's place in it.

    Raises:
        FileNotFoundError: a part is missing.
        ValueError: another class, other tokens, damaged weights, or what the device cannot do.
    """
    require_possible(execution, device)
    token_shape = token_shape_of(facts_of(name), folder)
    schedule = folder / "scheduler" / "scheduler_config.json"
    if not schedule.is_file():
        raise FileNotFoundError(f"{schedule} is missing. Fetch the folder whole.")
    unet = load_network(UNet2DConditionModel, folder / unet_folder, torch_dtype(execution))
    vae = load_network(AutoencoderKL, folder / "vae", torch_dtype(execution))
    require_width(name, token_shape[1], folder / unet_folder, unet.config.cross_attention_dim)
    place(unet, vae, execution, device)
    return TokenDiffusion(
        name=name,
        unet=unet,
        vae=LatentVae(model=vae, side=side_of(unet, vae)),
        scheduler_config=published_schedule(folder),
        identity=(
            f"{marked_name(name, folder)}-{weights_hash(folder / unet_folder, folder / 'vae')}"
            f"{execution.mark}"
        ),
        token_shape=token_shape,
        as_published=as_published,
    )


def published_schedule(folder: Path) -> dict:
    """The folder's noise schedule, to be stepped through as MindEye1's diffusers (0.13) did.

    Since 0.27 UniPC ends by default without any noise; before, it ended with that of time 0, and
    pictures differ by 0.05 of their latents (of about 4) between the two.
    """
    config = UniPCMultistepScheduler.load_config(folder / "scheduler")
    return {**config, "final_sigmas_type": "sigma_min", "timestep_spacing": "linspace"}

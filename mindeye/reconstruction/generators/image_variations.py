"""Stable Diffusion image variations: draws one CLIP embedding, as MindEye1's 1 x 768 variant."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.token_diffusion import TokenDiffusion, load_token_diffusion

UNET_FOLDER = "unet"


def load_image_variations(
    folder: Path,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> TokenDiffusion:
    """Opens unet, vae and scheduler of a folder like lambdalabs/sd-image-variations-diffusers.

    Raises:
        FileNotFoundError, ValueError: see `load_token_diffusion`.

    Source: MindEye1's released code, which draws its 1 x 768 variant so (UniPC, 20 steps, guidance
    7.5); differs: the posterior of the start is drawn for each candidate.
    """
    return load_token_diffusion(
        "image-variations", folder, UNET_FOLDER, at_own_length, device=device, execution=execution
    )


def at_own_length(
    tokens: Float[Tensor, "images 1 width"],
) -> Float[Tensor, "images 1 width"]:
    """The embedding is read unnormalised: its length is part of what the network has learned."""
    return tokens

"""Versatile Diffusion's image branch: what MindEye1 draws with."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.token_diffusion import TokenDiffusion, load_token_diffusion

UNET_FOLDER = "image_unet"


def load_versatile(
    folder: Path,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> TokenDiffusion:
    """Opens image_unet, vae and scheduler of a folder like shi-labs/versatile-diffusion.

    MindEye1 runs the dual-guided network with a text share of 0, which gives the image branch alone
    to the last bit; so the text branch and text tokens are not needed.

    Raises:
        FileNotFoundError, ValueError: see `load_token_diffusion`.

    Source: MindEye1 (arXiv:2305.18274) 3.3 and its released inference code; Versatile Diffusion
    (arXiv:2211.08332). Differs: the posterior of the start is drawn for each candidate.
    """
    return load_token_diffusion(
        "versatile", folder, UNET_FOLDER, divided_by_cls_norm, device=device, execution=execution
    )


def divided_by_cls_norm(
    tokens: Float[Tensor, "images tokens width"],
) -> Float[Tensor, "images tokens width"]:
    """What the prior sampled, as MindEye1 hands it on: as long as its own CLS token says."""
    return tokens / (tokens[:, :1].norm(dim=-1, keepdim=True) + 1e-6)

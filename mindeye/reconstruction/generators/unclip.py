"""MindEye2's SDXL unCLIP: draws from all patch tokens of OpenCLIP's ViT-bigG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.files import read_json
from mindeye.reconstruction.candidate_noise import normal_noise
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.latent_diffusion import LatentVae
from mindeye.reconstruction.generators.latent_generator import LatentGenerator
from mindeye.reconstruction.generators.network_folder import load_network
from mindeye.reconstruction.generators.placing import place, require_possible, torch_dtype
from mindeye.reconstruction.generators.sdxl import (
    SgmEulerScheduler,
    size_conditions,
    vae_dtype,
)
from mindeye.reconstruction.generators.token_fit import (
    marked_name,
    require_width,
    token_shape_of,
)
from mindeye.reconstruction.settings import steps_to_skip

NAME = "unclip"
FACTS_FILE = "unclip.json"
"""Beside the modules: where they come from."""
OFFSET_NOISE = 0.04
"""With which the network was trained and MindEye2 draws."""


@dataclass(frozen=True, kw_only=True)
class SdxlUnclip(LatentGenerator):
    """Implements `ImageGenerator` with diffusers' SDXL UNet, VAE and Euler's method.

    The network was trained without ever dropping its tokens, so neither zeros nor MindEye2's
    random tokens are "no tokens" to it; zeros lead all candidates away from the same point.
    """

    name: str = NAME
    offset_noise: float = OFFSET_NOISE
    """How far a picture's start is shifted as a whole, in standard deviations of the noise: as
    published; 0 starts from plain noise."""

    schedule: ClassVar = SgmEulerScheduler

    def begin(
        self,
        scheduler: SgmEulerScheduler,
        tokens: Float[Tensor, "images tokens width"],
        start: Float[Tensor, "images 3 _rows _columns"] | None,
        generators: Sequence[torch.Generator],
        *,
        steps: int,
        strength: float,
    ) -> tuple[Float[Tensor, "images channels rows columns"], Shaped[Tensor, "times"]]:
        """See `LatentGenerator.begin`; a start is the mode of the VAE's posterior.

        Source: MindEye2 (arXiv:2403.11207), released inference code. It divides the start by
        sqrt(1 + sigma^2), and its sampler multiplies by the same; here neither is done. Img2img
        is not in it.
        """
        scheduler.set_timesteps(steps, device=tokens.device)
        skipped = 0 if start is None else steps_to_skip(steps, strength)
        scheduler.set_begin_index(skipped)
        if skipped:
            base = self.vae.latents(start.to(tokens))
        else:
            base = normal_noise(generators, self.vae.latent_shape).to(tokens)
        noise = normal_noise(generators, self.vae.latent_shape).to(tokens)
        offset = normal_noise(generators, (1, 1, 1)).to(tokens)
        noise = noise + self.offset_noise * offset
        return base + scheduler.sigmas[skipped] * noise, scheduler.timesteps[skipped:]

    def predict(
        self,
        latents: Float[Tensor, "images channels rows columns"],
        time: Shaped[Tensor, ""],
        tokens: Float[Tensor, "images tokens width"],
    ) -> Float[Tensor, "images channels rows columns"]:
        dtype = self.unet.dtype
        conditions = {
            "text_embeds": latents.new_zeros(len(latents), 0),
            "time_ids": size_conditions((self.side, self.side, 0, 0), latents),
        }
        told = self.unet(
            latents.to(dtype),
            time,
            encoder_hidden_states=tokens.to(dtype),
            added_cond_kwargs=conditions,
        )
        return told.sample.float()


def load_unclip(
    folder: Path,
    device: torch.device | str = "cpu",
    execution: GeneratorExecution = PLAIN,
) -> SdxlUnclip:
    """Opens what `mindeye convert unclip` wrote.

    Raises:
        FileNotFoundError: a part is missing, or the checkpoint was not converted yet.
        ValueError: other tokens, damaged weights, or what the device cannot do.
    """
    require_possible(execution, device)
    if not (folder / FACTS_FILE).is_file():
        given = next(iter(sorted(folder.glob("*.ckpt"))), "unclip6_epoch0_step110000.ckpt")
        raise FileNotFoundError(
            f"{folder} holds no converted unCLIP: {FACTS_FILE} is missing. Run `mindeye convert "
            f"unclip {given} --out FOLDER`, and give that folder with --generator-source."
        )
    token_shape = token_shape_of(facts_of(NAME), folder)
    dtype = torch_dtype(execution)
    unet = load_network(UNet2DConditionModel, folder / "unet", dtype)
    require_width(NAME, token_shape[1], folder / "unet", unet.config.cross_attention_dim)
    vae = load_network(AutoencoderKL, folder / "vae", vae_dtype(dtype))
    place(unet, vae, execution, device)
    digest = read_json(folder / FACTS_FILE)["converted"]["sha256"]
    return SdxlUnclip(
        unet=unet,
        vae=LatentVae(model=vae, side=vae.config.sample_size),
        scheduler_config=EulerDiscreteScheduler.load_config(folder / "scheduler"),
        identity=f"{marked_name(NAME, folder)}-{digest[:12]}{execution.mark}",
        token_shape=token_shape,
    )

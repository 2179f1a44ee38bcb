"""A published generator whose UNet reads image tokens where others read a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel, UniPCMultistepScheduler
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.reconstruction.candidate_noise import normal_noise
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.latent_diffusion import LatentVae, begun, denoised
from mindeye.reconstruction.generators.network_folder import load_network, weights_hash
from mindeye.reconstruction.generators.placing import place, require_possible, torch_dtype
from mindeye.reconstruction.generators.token_fit import (
    random_mark,
    require_tokens,
    token_shape_of,
)
from mindeye.reconstruction.settings import steps_to_skip

AsPublished = Callable[[Tensor], Tensor]
"""What is done to tokens before the network reads them."""


@dataclass(frozen=True, kw_only=True)
class TokenDiffusion:
    """Implements `ImageGenerator` with diffusers' UNet, VAE and UniPC, as MindEye1 draws."""

    name: str
    unet: UNet2DConditionModel
    vae: LatentVae
    scheduler_config: dict
    identity: str
    token_shape: tuple[int, int]
    as_published: AsPublished

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""
        return self.vae.side

    def generate(
        self,
        image_tokens: Float[Tensor, "images tokens width"],
        *,
        start: Float[Tensor, "images 3 rows columns"] | None,
        strength: float,
        steps: int,
        guidance: float,
        generators: Sequence[torch.Generator],
        unconditional: Float[Tensor, "images tokens width"] | None = None,
    ) -> Float[Tensor, "images 3 side side"]:
        """See `ImageGenerator.generate`.

        The start is drawn from the VAE's posterior, before the noise, by each picture's own
        generator: MindEye1 draws it once for all candidates of an image.
        """
        require_tokens(self.name, self.token_shape, tuple(image_tokens.shape[1:]))
        tokens = self.as_published(image_tokens)
        unconditional = torch.zeros_like(tokens) if unconditional is None else unconditional
        begin = None
        if start is not None and steps_to_skip(steps, strength):
            begin = self.vae.latents(start.to(tokens), generators)
        noise = normal_noise(generators, self.vae.latent_shape).to(tokens)
        scheduler = UniPCMultistepScheduler.from_config(self.scheduler_config)
        latents, times = begun(scheduler, noise, begin, steps=steps, strength=strength)
        latents = denoised(
            self._predict, scheduler, latents, times, tokens, unconditional.to(tokens), guidance
        )
        return self.vae.pictures(latents)

    def _predict(
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
    if unet.config.cross_attention_dim != token_shape[1]:
        raise ValueError(
            f"{folder / unet_folder} reads tokens of width {unet.config.cross_attention_dim}, but "
            f"{name} takes {token_shape[1]}. Is this the folder of another generator?"
        )
    place(unet, vae, execution, device)
    side = unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
    told = "-random" if random_mark(folder) else ""
    return TokenDiffusion(
        name=name,
        unet=unet,
        vae=LatentVae(model=vae, side=side),
        scheduler_config=published_schedule(folder),
        identity=(
            f"{name}{told}-{weights_hash(folder / unet_folder, folder / 'vae')}{execution.mark}"
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

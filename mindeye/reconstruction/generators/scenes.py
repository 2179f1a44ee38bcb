"""The offline generator: a small latent diffusion transformer trained on drawn scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler
from jaxtyping import Float
from torch import Tensor

from mindeye.files import sha256_of
from mindeye.models.generator_network import (
    GeneratorNetwork,
    generator_weights,
    load_generator_network,
)
from mindeye.reconstruction.settings import steps_to_skip
from mindeye.targets.clip import ASSETS
from mindeye.targets.vae import VaeTarget

OFFLINE_GENERATOR = ASSETS / "scenes-generator"


@dataclass(frozen=True, kw_only=True)
class ScenesGenerator:
    """Implements `ImageGenerator` with diffusers' classes."""

    network: GeneratorNetwork
    scheduler_config: dict
    vae: VaeTarget
    identity: str

    @property
    def token_shape(self) -> tuple[int, int]:
        """(tokens, width) that it takes."""
        tokens, width = self.network.mean.shape
        return tokens, width

    @property
    def side(self) -> int:
        """Of its pictures, in pixels."""
        return self.network.latent_shape[-1] * self.vae.factor

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
    ) -> Float[Tensor, "images 3 rows columns"]:
        """See `ImageGenerator.generate`."""
        if image_tokens.shape[1:] != self.network.mean.shape:
            raise ValueError(
                f"These tokens are {_product(image_tokens.shape[1:])}, but {self.identity} takes "
                f"{_product(self.network.mean.shape)}. "
                "Decode with the CLIP that this generator was made for."
            )
        scheduler = DPMSolverMultistepScheduler.from_config(self.scheduler_config)
        scheduler.set_timesteps(steps, device=image_tokens.device)
        skipped = 0 if start is None else steps_to_skip(steps, strength)
        scheduler.set_begin_index(skipped)
        times = scheduler.timesteps[skipped:]
        noise = torch.stack(
            [torch.randn(self.network.latent_shape, generator=one) for one in generators]
        )
        latents = noise = noise.to(image_tokens.device)
        if start is not None and skipped:
            latents = scheduler.add_noise(
                self.vae.latents(start), noise, times[:1].expand(len(noise))
            )
        tokens = self.network.standardise(image_tokens)
        if unconditional is None:
            unconditional = torch.zeros_like(tokens)
        unconditional = unconditional.to(tokens)
        for time in times:
            velocity = self._velocity(latents, time, tokens, unconditional, guidance)
            latents = scheduler.step(velocity, time, latents).prev_sample
        return self.vae.images(latents)

    def _velocity(
        self, latents: Tensor, time: Tensor, tokens: Tensor, unconditional: Tensor, guidance: float
    ) -> Tensor:
        if guidance == 1:
            return self._predict(latents, time, tokens)
        both = self._predict(
            torch.cat([latents, latents]), time, torch.cat([unconditional, tokens])
        )
        plain, guided = both.chunk(2)
        return plain + guidance * (guided - plain)

    def _predict(self, latents: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
        return self.network(latents, time.expand(len(latents)), tokens)


def _product(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)


def load_scenes_generator(
    vae: VaeTarget, folder: Path = OFFLINE_GENERATOR, device: torch.device | str = "cpu"
) -> ScenesGenerator:
    """Loads transformer, token statistics and scheduler from a folder.

    Raises:
        FileNotFoundError: a part is missing.
    """
    schedule = folder / "scheduler" / "scheduler_config.json"
    network = load_generator_network(folder)
    if not schedule.is_file():
        raise FileNotFoundError(
            f"No generator at {folder}: {schedule.name} is missing. "
            "Give a folder that data_scripts/train_offline_networks.py wrote."
        )
    return ScenesGenerator(
        network=network.to(device).eval().requires_grad_(False),
        scheduler_config=DPMSolverMultistepScheduler.load_config(folder / "scheduler"),
        vae=vae,
        identity=f"{folder.name}-{sha256_of(generator_weights(folder))[:12]}",
    )

"""The offline generator: a small latent diffusion transformer trained on drawn scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel
from jaxtyping import Float
from torch import Tensor

from mindeye.files import sha256_of
from mindeye.reconstruction.generators.protocol import steps_to_skip
from mindeye.targets.clip import ASSETS
from mindeye.targets.vae import VaeTarget

OFFLINE_GENERATOR = ASSETS / "scenes-generator"


@dataclass(frozen=True, kw_only=True)
class ScenesGenerator:
    """Implements `ImageGenerator` with diffusers' classes."""

    transformer: PixArtTransformer2DModel
    scheduler_config: dict
    vae: VaeTarget
    identity: str

    def generate(
        self,
        image_tokens: Float[Tensor, "images tokens width"],
        *,
        start: Float[Tensor, "images 3 rows columns"] | None,
        strength: float,
        steps: int,
        guidance: float,
        generators: Sequence[torch.Generator],
    ) -> Float[Tensor, "images 3 rows columns"]:
        """See `ImageGenerator.generate`."""
        config = self.transformer.config
        if image_tokens.shape[2] != config.caption_channels:
            raise ValueError(
                f"These tokens are {image_tokens.shape[2]} wide, but {self.identity} takes "
                f"{config.caption_channels}. Decode with the CLIP that this generator was made for."
            )
        scheduler = DPMSolverMultistepScheduler.from_config(self.scheduler_config)
        scheduler.set_timesteps(steps, device=image_tokens.device)
        skipped = 0 if start is None else steps_to_skip(steps, strength)
        scheduler.set_begin_index(skipped)
        times = scheduler.timesteps[skipped:]
        shape = (config.in_channels, config.sample_size, config.sample_size)
        noise = torch.stack([torch.randn(shape, generator=one) for one in generators])
        latents = noise = noise.to(image_tokens.device)
        if start is not None and skipped:
            latents = scheduler.add_noise(
                self.vae.latents(start), noise, times[:1].expand(len(noise))
            )
        # The scale at which the transformer was trained: elements of unit variance.
        tokens = image_tokens * image_tokens.shape[2] ** 0.5
        for time in times:
            velocity = self._velocity(latents, time, tokens, guidance)
            latents = scheduler.step(velocity, time, latents).prev_sample
        return self.vae.images(latents)

    def _velocity(self, latents: Tensor, time: Tensor, tokens: Tensor, guidance: float) -> Tensor:
        if guidance == 1:
            return self._predict(latents, time, tokens)
        both = self._predict(
            torch.cat([latents, latents]), time, torch.cat([torch.zeros_like(tokens), tokens])
        )
        plain, guided = both.chunk(2)
        return plain + guidance * (guided - plain)

    def _predict(self, latents: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
        return self.transformer(
            latents,
            encoder_hidden_states=tokens,
            timestep=time.expand(len(latents)),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample


def load_scenes_generator(
    vae: VaeTarget, folder: Path = OFFLINE_GENERATOR, device: torch.device | str = "cpu"
) -> ScenesGenerator:
    """Loads transformer and scheduler from a folder in diffusers' layout.

    Raises:
        FileNotFoundError: a part is missing.
    """
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    for path in (weights, folder / "scheduler" / "scheduler_config.json"):
        if not path.is_file():
            raise FileNotFoundError(
                f"No generator at {folder}: {path.name} is missing. "
                "Give a folder in diffusers' layout, or leave the option out."
            )
    transformer = PixArtTransformer2DModel.from_pretrained(
        folder / "transformer", torch_dtype=torch.float32
    )
    return ScenesGenerator(
        transformer=transformer.to(device).eval().requires_grad_(False),
        scheduler_config=DPMSolverMultistepScheduler.load_config(folder / "scheduler"),
        vae=vae,
        identity=f"{folder.name}-{sha256_of(weights)[:12]}",
    )

"""What the generators that draw in a VAE's latents share, from tokens to pictures."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.reconstruction.candidate_noise import normal_noise
from mindeye.reconstruction.generators.latent_diffusion import (
    LatentVae,
    Scheduler,
    begun,
    denoised,
)
from mindeye.reconstruction.generators.token_fit import require_tokens
from mindeye.reconstruction.settings import steps_to_skip


@dataclass(frozen=True, kw_only=True)
class LatentGenerator(ABC):
    """Implements `ImageGenerator`; a generator says how its UNet is asked, and what is its own."""

    name: str
    unet: UNet2DConditionModel
    vae: LatentVae
    scheduler_config: dict
    identity: str
    token_shape: tuple[int, int]

    schedule: ClassVar[type[SchedulerMixin]]
    """Steps from noise to latents; one is made for each drawing, because it counts its steps."""

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
        """See `ImageGenerator.generate`; without `unconditional`, `nothing` is led away from."""
        require_tokens(self.name, self.token_shape, tuple(image_tokens.shape[1:]))
        tokens = self.ready(image_tokens)
        away = self.nothing(tokens) if unconditional is None else unconditional.to(tokens)
        scheduler = self.schedule.from_config(self.scheduler_config)
        latents, times = self.begin(
            scheduler, tokens, start, generators, steps=steps, strength=strength
        )
        latents = denoised(self.predict, scheduler, latents, times, tokens, away, guidance)
        return self.vae.pictures(latents)

    def ready(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        """What the network reads of decoded tokens: here the tokens themselves."""
        return tokens

    def nothing(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        """In the place of these tokens, what says nothing to the network: here zeros."""
        return torch.zeros_like(tokens)

    def begin(
        self,
        scheduler: Scheduler,
        tokens: Float[Tensor, "images tokens width"],
        start: Float[Tensor, "images 3 _rows _columns"] | None,
        generators: Sequence[torch.Generator],
        *,
        steps: int,
        strength: float,
    ) -> tuple[Float[Tensor, "images channels rows columns"], Shaped[Tensor, "times"]]:
        """The latents that drawing begins with, where the tokens are, and the times left to it.

        The start is drawn from the VAE's posterior, before the noise, by each picture's own
        generator; strength 1 does not encode it.
        """
        encoded = None
        if start is not None and steps_to_skip(steps, strength):
            encoded = self.vae.latents(start.to(tokens), generators)
        noise = normal_noise(generators, self.vae.latent_shape).to(tokens)
        return begun(scheduler, noise, encoded, steps=steps, strength=strength)

    @abstractmethod
    def predict(
        self,
        latents: Float[Tensor, "images channels rows columns"],
        time: Shaped[Tensor, ""],
        tokens: Float[Tensor, "images tokens width"],
    ) -> Float[Tensor, "images channels rows columns"]:
        """What the schedule steps with; asked of the UNet in its own dtype, told in float32."""

"""The loop that all latent diffusion generators share: start, guided prediction, step, picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from jaxtyping import Float, Shaped
from torch import Tensor

from mindeye.reconstruction.candidate_noise import normal_noise
from mindeye.reconstruction.settings import steps_to_skip

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(latents, time, tokens) -> what the schedule steps with; whatever else the network wants to
know is of one picture and repeated inside."""


@runtime_checkable
class Scheduler(Protocol):
    """What is used of diffusers' schedulers: one for each drawing, because they count steps."""

    timesteps: Tensor
    init_noise_sigma: Any

    def set_timesteps(self, steps: int, device: Any = None) -> None: ...
    def set_begin_index(self, begin_index: int = 0) -> None: ...
    def add_noise(self, original: Tensor, noise: Tensor, times: Tensor) -> Tensor: ...
    def scale_model_input(self, latents: Tensor, time: Tensor) -> Tensor: ...
    def step(self, prediction: Tensor, time: Tensor, latents: Tensor) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class LatentVae:
    """A generator's own VAE: pictures of `side` pixels <-> scaled latents, float32 outside."""

    model: AutoencoderKL
    side: int

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of one picture's latents."""
        side = self.side // 2 ** (len(self.model.config.block_out_channels) - 1)
        return self.model.config.latent_channels, side, side

    def latents(
        self,
        pictures: Float[Tensor, "images 3 height width"],
        generators: Sequence[torch.Generator] | None = None,
    ) -> Float[Tensor, "images channels rows columns"]:
        """Latents of RGB pictures; values outside [0, 1] are kept, other sizes are resized.

        Args:
            generators: draw from the posterior, one for each picture; None takes its mode.
        """
        if pictures.shape[-2:] != (self.side, self.side):
            # Bilinear: it never leaves the range of its pixels, so nothing is clamped, and a start
            # that is normalised for CLIP keeps its values.
            pictures = torch.nn.functional.interpolate(
                pictures, size=(self.side, self.side), mode="bilinear", antialias=True
            )
        posterior = self.model.encode((2 * pictures - 1).to(self.model.dtype)).latent_dist
        latents = posterior.mode().float()
        if generators is not None:
            noise = normal_noise(generators, tuple(latents.shape[1:])).to(latents)
            latents = latents + posterior.std.float() * noise
        return latents * self.model.config.scaling_factor

    def pictures(
        self, latents: Float[Tensor, "images channels rows columns"]
    ) -> Float[Tensor, "images 3 height width"]:
        """RGB in [0, 1] of scaled latents."""
        unscaled = (latents / self.model.config.scaling_factor).to(self.model.dtype)
        return (self.model.decode(unscaled).sample.float() / 2 + 0.5).clamp(0, 1)


def side_of(unet: UNet2DConditionModel, vae: AutoencoderKL) -> int:
    """Of the pictures that a UNet was trained for, in pixels."""
    return unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)


def begun(
    scheduler: Scheduler,
    noise: Float[Tensor, "images channels rows columns"],
    start: Float[Tensor, "images channels rows columns"] | None,
    *,
    steps: int,
    strength: float,
) -> tuple[Float[Tensor, "images channels rows columns"], Shaped[Tensor, "times"]]:
    """The noisy latents that drawing begins with, and the times that are left to it.

    Args:
        start: scaled latents of img2img's start; strength 1 forgets them.
    """
    scheduler.set_timesteps(steps, device=noise.device)
    skipped = 0 if start is None else steps_to_skip(steps, strength)
    # Else each would look for its step by its time, which some schedules hold twice.
    scheduler.set_begin_index(skipped)
    times = scheduler.timesteps[skipped:]
    if start is None or not skipped:
        return noise * scheduler.init_noise_sigma, times
    return scheduler.add_noise(start, noise, times[:1].expand(len(noise))), times


def denoised(
    predict: Predict,
    scheduler: Scheduler,
    latents: Float[Tensor, "images channels rows columns"],
    times: Shaped[Tensor, "times"],
    tokens: Float[Tensor, "images tokens width"],
    unconditional: Float[Tensor, "images tokens width"],
    guidance: float,
) -> Float[Tensor, "images channels rows columns"]:
    """Steps through `times`, led by the tokens and away from the unconditional ones."""
    for time in times:
        scaled = scheduler.scale_model_input(latents, time)
        prediction = guided(predict, scaled, time, tokens, unconditional, guidance)
        latents = scheduler.step(prediction, time, latents).prev_sample
    return latents


def guided(
    predict: Predict,
    latents: Float[Tensor, "images channels rows columns"],
    time: Shaped[Tensor, ""],
    tokens: Float[Tensor, "images tokens width"],
    unconditional: Float[Tensor, "images tokens width"],
    guidance: float,
) -> Float[Tensor, "images channels rows columns"]:
    """Classifier-free guidance in one call of the network; 1 asks it for the tokens alone."""
    if guidance == 1:
        return predict(latents, time, tokens)
    both = predict(torch.cat([latents, latents]), time, torch.cat([unconditional, tokens]))
    plain, led = both.chunk(2)
    return plain + guidance * (led - plain)

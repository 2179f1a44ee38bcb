"""The noise schedule: how much of the clean tokens is left at each time."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.device_copy import sent


@dataclass(frozen=True)
class NoiseSchedule:
    """The share of signal variance at times 0 (almost clean) to T - 1, and what follows from it.

    Arrays are float64, so that no difference of near numbers loses digits; what a network
    multiplies is rounded to float32 last, as the published buffers are.
    """

    alphas_cumprod: Float[np.ndarray, "times"]

    @classmethod
    def cosine(cls, num_times: int) -> "NoiseSchedule":
        """Nichol and Dhariwal's schedule (arXiv:2102.09672) with s = 0.008, betas at most 0.999."""
        phase = (np.arange(num_times + 1) / num_times + 0.008) / 1.008
        kept = np.cos(phase * math.pi / 2) ** 2
        return cls(np.cumprod(1 - np.clip(1 - kept[1:] / kept[:-1], 0, 0.999)))

    @property
    def num_times(self) -> int:
        return len(self.alphas_cumprod)

    @cached_property
    def alphas_cumprod_prev(self) -> Float[np.ndarray, "times"]:
        """One time earlier; 1 before time 0."""
        return np.concatenate([[1.0], self.alphas_cumprod[:-1]])

    @cached_property
    def betas(self) -> Float[np.ndarray, "times"]:
        return 1 - self.alphas_cumprod / self.alphas_cumprod_prev

    @cached_property
    def posterior_variance(self) -> Float[np.ndarray, "times"]:
        return self.betas * (1 - self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)

    @cached_property
    def posterior_mean_coef1(self) -> Float[np.ndarray, "times"]:
        """Weight of the clean tokens in the mean one time earlier."""
        return self.betas * np.sqrt(self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)

    @cached_property
    def posterior_mean_coef2(self) -> Float[np.ndarray, "times"]:
        """Weight of the noisy tokens in the mean one time earlier."""
        remaining = (1 - self.alphas_cumprod_prev) / (1 - self.alphas_cumprod)
        return remaining * np.sqrt(1 - self.betas)

    def add_noise(
        self,
        clean: Float[Tensor, "trials tokens width"],
        noise: Float[Tensor, "trials tokens width"],
        times: Int[Tensor, "trials"],
    ) -> Float[Tensor, "trials tokens width"]:
        """What the network sees of `clean` at `times`."""
        weights = np.sqrt([self.alphas_cumprod, 1 - self.alphas_cumprod])
        # Looked up on the device: to ask for the times would be to wait for them.
        table = sent(torch.from_numpy(weights).to(clean.dtype), clean.device)
        signal, spread = table[:, times].view(2, -1, 1, 1)
        return signal * clean + spread * noise

    def published_buffers(self) -> dict[str, Tensor]:
        """The 13 buffers that published checkpoints hold, by their names, float32."""
        kept = self.alphas_cumprod
        arrays = {
            "betas": self.betas,
            "alphas_cumprod": kept,
            "alphas_cumprod_prev": self.alphas_cumprod_prev,
            "sqrt_alphas_cumprod": np.sqrt(kept),
            "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - kept),
            "log_one_minus_alphas_cumprod": np.log(1 - kept),
            "sqrt_recip_alphas_cumprod": np.sqrt(1 / kept),
            "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / kept - 1),
            "posterior_variance": self.posterior_variance,
            "posterior_log_variance_clipped": np.log(np.maximum(self.posterior_variance, 1e-20)),
            "posterior_mean_coef1": self.posterior_mean_coef1,
            "posterior_mean_coef2": self.posterior_mean_coef2,
            "p2_loss_weight": np.ones_like(kept),
        }
        return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}

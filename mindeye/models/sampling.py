"""What samplers are made of: a network that predicts clean tokens, and noises."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mindeye.models.noise_schedule import NoiseSchedule

# (noisy tokens, times) -> clean tokens, all at the scale that the network sees.
Denoise = Callable[[Tensor, Tensor], Tensor]
Algorithm = Callable[[Denoise, NoiseSchedule, Iterator[Tensor], int], Tensor]


def next_noise(noises: Iterator[Tensor]) -> Tensor:
    """The next of the noises that a sampler was given.

    Raises:
        ValueError: there is none left.
    """
    noise = next(noises, None)
    if noise is None:
        raise ValueError(
            "The given noises end before the sampler does. "
            "Give the starting noise and one for each step, or a generator."
        )
    return noise


def predicted(denoise: Denoise, tokens: Tensor, time: int) -> Tensor:
    """Clean tokens, all of one time."""
    return denoise(tokens, torch.full((len(tokens),), time, device=tokens.device))

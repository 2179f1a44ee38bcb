"""The prior as the pipeline asks it: brain tokens and noises -> image tokens."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.prior import DiffusionPrior
from mindeye.models.published_prior import PublishedPrior
from mindeye.models.samplers import SAMPLERS, sample_tokens
from mindeye.reconstruction.settings import ReconstructionConfig

# The noises are drawn as they are asked for, so no more may be taken than the sampler needs.
SampleTokens = Callable[
    [Float[Tensor, "images tokens width"], Iterator[Tensor]], Float[Tensor, "images tokens width"]
]


def prior_sampler(
    prior: DiffusionPrior | PublishedPrior, config: ReconstructionConfig
) -> SampleTokens:
    """The prior with the sampler, steps and guidance of `config`.

    Raises:
        LookupError: an unknown sampler.
        ValueError: the steps do not fit the prior's schedule.
    """
    sampler = sampler_of(config)
    count = num_noises(sampler, config.prior_steps, prior.config.train_times)

    def sample(
        brain_tokens: Float[Tensor, "images tokens width"], noises: Iterator[Tensor]
    ) -> Float[Tensor, "images tokens width"]:
        return prior.sample(
            brain_tokens,
            sampler=sampler,
            noises=islice(noises, count),
            steps=config.prior_steps,
            guidance=config.prior_guidance,
        )

    return sample


def sampler_of(config: ReconstructionConfig) -> str:
    """The key of `SAMPLERS` that is meant: with `late_start_ddim`, DDIM is MindEye2's."""
    late = "late_start_ddim" in config.quirks and config.sampler == "ddim"
    return "mindeye2-ddim" if late else config.sampler


def num_noises(sampler: str, steps: int, num_times: int) -> int:
    """How many noises a sampler draws, counted while it samples a single number.

    Raises:
        LookupError: an unknown sampler.
        ValueError: the steps do not fit the schedule.
    """
    schedule, number = NoiseSchedule.cosine(num_times), torch.zeros(1, 1, 1)
    drawn = 0

    def counted() -> Iterator[Tensor]:
        nonlocal drawn
        while True:
            drawn += 1
            yield number

    # What does not fit is refused in the words of `sample_tokens`.
    generator = torch.Generator()
    options = {"sampler": sampler, "steps": steps, "noises": None, "generator": generator}
    sample_tokens(_unchanged, schedule, number, **options)
    SAMPLERS[sampler](_unchanged, schedule, counted(), steps)
    return drawn


def _unchanged(noisy: Tensor, times: Tensor) -> Tensor:
    return noisy

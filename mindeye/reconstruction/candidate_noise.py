"""Noise of the candidates: none depends on the batch that it is drawn in."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def candidate_seed(seed: int, image_id: int, candidate: int) -> int:
    """Seed of one candidate: neither batch size nor order changes its picture."""
    state = np.random.SeedSequence([seed, image_id, candidate]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def candidate_generator(seed: int, image_id: int, candidate: int) -> torch.Generator:
    """The stream of one candidate's noise, from its beginning."""
    return torch.Generator().manual_seed(candidate_seed(seed, image_id, candidate))


def candidate_generators(
    seed: int, image_ids: Sequence[int], count: int
) -> tuple[torch.Generator, ...]:
    """A generator for each candidate; those of one image stand together."""
    return tuple(
        candidate_generator(seed, image_id, candidate)
        for image_id in image_ids
        for candidate in range(count)
    )


def normal_noise(
    generators: Sequence[torch.Generator], shape: tuple[int, ...]
) -> Float[Tensor, "candidates ..."]:
    """The next noise of each candidate."""
    return torch.stack([torch.randn(shape, generator=one) for one in generators])


def noises(
    generators: Sequence[torch.Generator], shape: tuple[int, ...]
) -> Iterator[Float[Tensor, "candidates ..."]]:
    """One noise after the other without end; each is drawn when it is asked for."""
    while True:
        yield normal_noise(generators, shape)

"""The road from tokens to pictures that generators share, stepped through by hand."""

from typing import ClassVar

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from mindeye.reconstruction.generators.latent_generator import LatentGenerator
from mindeye.reconstruction.generators.versatile import load_versatile

STEPS, GUIDANCE = 6, 3.0


class Doubling(LatentGenerator):
    """Reads tokens twice as long, away from tokens less one; predicts in proportion to both."""

    schedule: ClassVar = EulerDiscreteScheduler

    def ready(self, tokens):
        return 2 * tokens

    def nothing(self, tokens):
        return tokens - 1

    def predict(self, latents, time, tokens):
        return latents * tokens.mean((1, 2)).view(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def generator(random_generators) -> Doubling:
    own = load_versatile(random_generators["versatile"])
    return Doubling(
        name="doubling",
        unet=own.unet,
        vae=own.vae,
        scheduler_config=dict(EulerDiscreteScheduler(timestep_spacing="trailing").config),
        identity="doubling-1",
        token_shape=(5, 16),
    )


def seeds() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in (4, 9)]


def by_hand(generator, tokens, away, start, first: int) -> torch.Tensor:
    """Euler's method from noise level number `first`, picture by picture."""
    schedule = EulerDiscreteScheduler(timestep_spacing="trailing")
    schedule.set_timesteps(STEPS)
    sigmas, pictures = schedule.sigmas.tolist(), []
    for image, seed in enumerate(seeds()):
        latents = torch.zeros(1, *generator.vae.latent_shape)
        if first:
            posterior = generator.vae.model.encode(2 * start[image : image + 1] - 1).latent_dist
            drawn = torch.randn(latents.shape, generator=seed)
            scale = generator.vae.model.config.scaling_factor
            latents = scale * (posterior.mean + posterior.std * drawn)
        latents = latents + sigmas[first] * torch.randn(latents.shape, generator=seed)
        toward, plain = 2 * tokens[image].mean(), away[image].mean()
        for now, after in zip(sigmas[first:], sigmas[first + 1 :]):
            read = latents / (now**2 + 1) ** 0.5
            predicted = plain * read + GUIDANCE * (toward - plain) * read
            latents = latents + (after - now) * predicted
        pictures.append(generator.vae.pictures(latents))
    return torch.cat(pictures)


@pytest.mark.parametrize(("strength", "first"), [(1.0, 0), (0.5, 3)])
@pytest.mark.parametrize("given", [True, False])
def test_tokens_are_made_ready_once_and_drawn_from_noise_or_a_start(
    generator, strength, first, given
):
    draw = torch.Generator().manual_seed(0)
    tokens = torch.randn(2, 5, 16, generator=draw)
    start = torch.rand(2, 3, 16, 16, generator=draw)
    unconditional = torch.randn(2, 5, 16, generator=draw) if given else None
    drawn = generator.generate(
        tokens,
        start=start,
        strength=strength,
        steps=STEPS,
        guidance=GUIDANCE,
        generators=seeds(),
        unconditional=unconditional,
    )
    away = unconditional if given else 2 * tokens - 1
    with torch.no_grad():
        expected = by_hand(generator, tokens, away, start, first)
    assert expected.std() > 0.05
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-4)

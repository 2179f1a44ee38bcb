"""The diffusion prior: brain tokens -> image tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import torch
from diffusers import DDIMScheduler
from diffusers.models.embeddings import get_timestep_embedding
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mindeye.device_copy import sent
from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.prior_draws import PriorDraws
from mindeye.models.samplers import guided, sample_tokens
from mindeye.models.transformer import Transformer


@dataclass(frozen=True, kw_only=True)
class PriorConfig:
    depth: int = 6
    head_width: int = 64
    train_times: int = 100
    """Noise levels of the cosine schedule."""
    drop_condition: float = 0.2
    """Share of training trials whose brain tokens are replaced by the learned null tokens."""


class DiffusionPrior(nn.Module):
    """Predicts clean image tokens from noisy ones, the noise level and the brain tokens.

    The sequence is [time | noisy image tokens + brain tokens]: token i of the brain belongs to
    token i of the image, so they are added, where the published prior sets them side by side and
    has to learn which belongs to which. Image tokens are standardised over the training images:
    almost all of a token is what all images share, and noise would drown the rest.

    Source: MindEye1 (arXiv:2305.18274) A.4, after DALL-E 2 (arXiv:2204.06125); differs as said.
    """

    def __init__(self, config: PriorConfig, num_tokens: int, token_width: int) -> None:
        super().__init__()
        self.config = config
        # CLS tokens have norm 1, so an element is about 1 / sqrt(width), until `fit` says better.
        self.register_buffer("token_mean", torch.zeros(num_tokens, token_width))
        self.register_buffer("token_std", torch.full((num_tokens, token_width), token_width**-0.5))
        self.transformer = Transformer(token_width, config.depth, config.head_width)
        self.from_brain = nn.Sequential(
            nn.LayerNorm(token_width), nn.Linear(token_width, token_width)
        )
        self.from_image = nn.Linear(token_width, token_width)
        self.time = nn.Sequential(
            nn.Linear(token_width, 2 * token_width),
            nn.SiLU(),
            nn.Linear(2 * token_width, token_width),
        )
        self.places = nn.Parameter(0.02 * torch.randn(num_tokens, token_width))
        self.null_brain = nn.Parameter(torch.zeros(num_tokens, token_width))
        self.to_image = nn.Linear(token_width, token_width)

    def denoise(
        self,
        noisy: Float[Tensor, "trials tokens width"],
        times: Int[Tensor, "trials"],
        brain_tokens: Float[Tensor, "trials tokens width"],
    ) -> Float[Tensor, "trials tokens width"]:
        """Clean image tokens, all at the scale that the network sees."""
        sequence = self.from_brain(brain_tokens) + self.from_image(noisy) + self.places
        waves = get_timestep_embedding(times, self.places.shape[1]).to(noisy.dtype)
        time = self.time(waves).unsqueeze(1)
        hidden = self.transformer(torch.cat([time, sequence], dim=1))
        return self.to_image(hidden[:, 1:])

    @torch.no_grad()
    def fit(
        self, image_tokens: Float[Tensor, "images tokens width"], places: slice = slice(None)
    ) -> None:
        """Takes mean and standard deviation of the tokens (at some places) from training images."""
        self.token_mean[places] = image_tokens.mean(0)
        self.token_std[places] = image_tokens.std(0).clamp_min(1e-6)

    def loss(
        self,
        brain_tokens: Float[Tensor, "trials tokens width"],
        image_tokens: Float[Tensor, "trials tokens width"],
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Mean squared error of the predicted clean tokens at random noise levels."""
        draws = self.draws(len(brain_tokens), brain_tokens.device, generator)
        return self.loss_of(brain_tokens, image_tokens, draws)

    def draws(
        self, num_trials: int, device: torch.device, generator: torch.Generator
    ) -> PriorDraws:
        """Noise level, noise and who loses the condition, for each trial."""
        times = torch.randint(self.config.train_times, (num_trials,), generator=generator)
        noise = torch.randn(num_trials, *self.token_mean.shape, generator=generator)
        dropped = sent(torch.rand(num_trials, generator=generator), device)
        kept = _schedule(self.config.train_times).alphas_cumprod[times]
        return PriorDraws(
            times=sent(times, device),
            noise=sent(noise, device),
            kept=sent(kept, device),
            drop_brain=dropped < self.config.drop_condition,
        )

    def loss_of(
        self,
        brain_tokens: Float[Tensor, "trials tokens width"],
        image_tokens: Float[Tensor, "trials tokens width"],
        draws: PriorDraws,
    ) -> Float[Tensor, ""]:
        """The loss of what has been drawn."""
        seen = torch.where(draws.drop_brain.view(-1, 1, 1), self.null_brain, brain_tokens)
        clean = (image_tokens - self.token_mean) / self.token_std
        # What the scheduler's `add_noise` does, but for the table that it copies each time.
        kept = draws.kept.view(-1, 1, 1)
        noisy = kept**0.5 * clean + (1 - kept) ** 0.5 * draws.noise
        return functional.mse_loss(self.denoise(noisy, draws.times, seen).float(), clean)

    def sample(
        self,
        brain_tokens: Float[Tensor, "images tokens width"],
        *,
        sampler: str = "ddim",
        steps: int = 20,
        noises: Iterable[Tensor] | None = None,
        generator: torch.Generator | None = None,
        guidance: float = 1.0,
    ) -> Float[Tensor, "images tokens width"]:
        """Image tokens at the scale of the CLIP target; see `sample_tokens`.

        `guidance` above 1 exaggerates what the brain adds (arXiv:2207.12598).
        """
        null = self.null_brain.expand_as(brain_tokens)
        kept = _schedule(self.config.train_times).alphas_cumprod
        tokens = sample_tokens(
            guided(self.denoise, brain_tokens, lambda noisy: (noisy, null), guidance),
            NoiseSchedule(kept.double().numpy()),
            brain_tokens,
            sampler=sampler,
            steps=steps,
            noises=noises,
            generator=generator,
        )
        return tokens * self.token_std + self.token_mean


@cache
def _schedule(train_times: int) -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=train_times,
        beta_schedule="squaredcos_cap_v2",
    )

"""The prior as MindEye1 and MindEye2 publish it: brain tokens beside image tokens."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from diffusers.models.embeddings import get_timestep_embedding
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from mindeye.device_copy import sent
from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.prior_draws import PriorDraws
from mindeye.models.prior_network import PriorTransformer
from mindeye.models.samplers import guided, sample_tokens


@dataclass(frozen=True, kw_only=True)
class PublishedPriorConfig:
    depth: int = 6
    num_heads: int = 12
    head_width: int = 64
    mlp_ratio: int = 4
    train_times: int = 100
    """Noise levels of the cosine schedule."""
    drop_condition: float = 0.2
    """Share of training trials whose brain tokens are replaced by the learned null tokens."""
    drop_image: float = 0.2
    """The same for the noisy image tokens, drawn apart."""
    scale: float | None = None
    """Image tokens are multiplied by this before noise is added; the square root of their width
    when left out (MindEye1). MindEye2 has 1."""
    num_padding: int = 0
    """Learned tokens in the place of a caption. More than 0 is the form of MindEye1's 1 x 768
    prior (256): causal, times from a table, one query token, norms inside of the MLPs."""
    coarse_epsilon: bool = False
    """In half precision norms divide by sqrt(var + 1e-3), as published; else 1e-5 in every type."""


class PublishedPrior(nn.Module):
    """Predicts clean image tokens from [brain tokens | time | noisy image tokens].

    Source: MindEye1 (arXiv:2305.18274) A.4 and MindEye2 (arXiv:2403.11207), built on the prior of
    DALLE2-pytorch (after arXiv:2204.06125). Our own prior is `DiffusionPrior`.
    """

    def __init__(self, config: PublishedPriorConfig, num_tokens: int, token_width: int) -> None:
        super().__init__()
        if config.num_padding and num_tokens != 1:
            raise ValueError(
                f"A prior with {config.num_padding} padding tokens predicts one image token, "
                f"not {num_tokens}. Set prior.num_padding to 0."
            )
        self.config = config
        self.scale = token_width**0.5 if config.scale is None else config.scale
        self.schedule = NoiseSchedule.cosine(config.train_times)
        as_embedding = bool(config.num_padding)
        self.null_brain = nn.Parameter(torch.randn(num_tokens, token_width))
        self.null_image = nn.Parameter(torch.randn(num_tokens, token_width))
        # Added to the image tokens; in the 1 x 768 form a token behind them, which is the output.
        self.places = nn.Parameter(torch.randn(num_tokens, token_width) * token_width**-0.5)
        self.padding = (
            nn.Parameter(torch.randn(config.num_padding, token_width)) if as_embedding else None
        )
        self.time = (
            nn.Embedding(config.train_times, token_width)
            if as_embedding
            else nn.Sequential(
                nn.Linear(token_width, 2 * token_width),
                nn.SiLU(),
                nn.Linear(2 * token_width, 2 * token_width),
                nn.SiLU(),
                nn.Linear(2 * token_width, token_width),
            )
        )
        self.transformer = PriorTransformer(
            token_width,
            depth=config.depth,
            num_heads=config.num_heads,
            head_width=config.head_width,
            mlp_ratio=config.mlp_ratio,
            causal=as_embedding,
            norm_inside=as_embedding,
            coarse_epsilon=config.coarse_epsilon,
        )

    def denoise(
        self,
        noisy: Float[Tensor, "trials tokens width"],
        times: Int[Tensor, "trials"],
        brain_tokens: Float[Tensor, "trials tokens width"],
    ) -> Float[Tensor, "trials tokens width"]:
        """Clean image tokens, all at the scale that the network sees."""
        num_tokens = noisy.shape[1]
        places = self.places.to(noisy).expand_as(noisy)
        if self.padding is None:
            waves = get_timestep_embedding(times, noisy.shape[-1]).to(noisy.dtype)
            parts = [brain_tokens, self.time(waves).unsqueeze(1), noisy + places]
        else:
            padding = self.padding.to(noisy).expand(len(noisy), -1, -1)
            parts = [padding, brain_tokens, self.time(times).unsqueeze(1), noisy, places]
        return self.transformer(torch.cat(parts, dim=1))[:, -num_tokens:]

    def without_condition(
        self, noisy: Float[Tensor, "trials tokens width"]
    ) -> tuple[Float[Tensor, "trials tokens width"], Float[Tensor, "trials tokens width"]]:
        """Null tokens in the place of the noisy, as published, and of the brain's."""
        return self.null_image.expand_as(noisy), self.null_brain.expand_as(noisy)

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
        """Noise level, noise, and who loses condition or noisy tokens, for each trial."""
        times = torch.randint(self.config.train_times, (num_trials,), generator=generator)
        noise = torch.randn(num_trials, *self.null_image.shape, generator=generator)
        dropped = sent(torch.rand(2, num_trials, generator=generator), device)
        return PriorDraws(
            times=sent(times, device),
            noise=sent(noise, device),
            drop_brain=dropped[0] < self.config.drop_condition,
            drop_image=dropped[1] < self.config.drop_image,
        )

    def loss_of(
        self,
        brain_tokens: Float[Tensor, "trials tokens width"],
        image_tokens: Float[Tensor, "trials tokens width"],
        draws: PriorDraws,
    ) -> Float[Tensor, ""]:
        """The loss of what has been drawn."""
        return self.loss_at(
            brain_tokens,
            image_tokens,
            draws.times,
            draws.noise,
            drop_brain=draws.drop_brain,
            drop_image=draws.drop_image,
        )

    def loss_at(
        self,
        brain_tokens: Float[Tensor, "trials tokens width"],
        image_tokens: Float[Tensor, "trials tokens width"],
        times: Int[Tensor, "trials"],
        noise: Float[Tensor, "trials tokens width"],
        *,
        drop_brain: Bool[Tensor, "trials"],
        drop_image: Bool[Tensor, "trials"],
    ) -> Float[Tensor, ""]:
        """The loss of what `loss` has drawn; `image_tokens` at the scale of the CLIP target.

        Nothing waits for a device where `times` are in memory.
        """
        clean = self.scale * image_tokens
        noisy = self.schedule.add_noise(clean, noise, times)
        brain_tokens = torch.where(drop_brain.view(-1, 1, 1), self.null_brain, brain_tokens)
        noisy = torch.where(drop_image.view(-1, 1, 1), self.null_image, noisy)
        times = sent(times, noisy.device)
        return functional.mse_loss(self.denoise(noisy, times, brain_tokens).float(), clean)

    @torch.no_grad()
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

        MindEye1 samples with `ddpm` in 100 steps, MindEye2 with `mindeye2-ddim` in 20. `guidance`
        above 1 exaggerates what the condition adds (arXiv:2207.12598).
        """
        tokens = sample_tokens(
            guided(self.denoise, brain_tokens, self.without_condition, guidance),
            self.schedule,
            brain_tokens,
            sampler=sampler,
            steps=steps,
            noises=noises,
            generator=generator,
        )
        return tokens / self.scale

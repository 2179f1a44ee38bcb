"""Losses and the mixing of scans, as pure functions."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def mixing_matrix(
    num_trials: int, *, concentration: float, share: float, generator: torch.Generator
) -> Float[Tensor, "trials trials"]:
    """Which trials MixCo mixes, and how much: row i holds the weights of mixed trial i.

    Trial i keeps a part drawn from Beta(concentration, concentration) and takes the rest from a
    random partner; a trial is mixed with probability `share`. Rows sum to one. The matrix that
    mixes the betas is the matrix that labels them, so a trial that is its own partner keeps a
    whole label (the published code loses it).

    Source: MindEye1 (arXiv:2305.18274) 3.2; MixCo, arXiv:2010.06300.
    """
    gamma = torch.empty(2, num_trials).fill_(concentration)
    draws = torch._standard_gamma(gamma, generator=generator).clamp_min(1e-30)
    kept = draws[0] / draws.sum(0)
    mixed = torch.rand(num_trials, generator=generator) < share
    kept = torch.where(mixed, kept, torch.ones_like(kept))
    partner = torch.randperm(num_trials, generator=generator)
    return torch.diag(kept) + (1 - kept).unsqueeze(1) * functional.one_hot(partner, num_trials).to(
        kept
    )


def mixed_contrastive(
    brain: Float[Tensor, "trials features"],
    images: Float[Tensor, "trials features"],
    labels: Float[Tensor, "trials trials"],
    temperature: float,
) -> Float[Tensor, ""]:
    """BiMixCo: cross entropy of brain-image similarities with mixed labels, both directions.

    Both inputs are unit vectors; `labels` is the mixing matrix (identity: plain InfoNCE).

    Source: MindEye1 (arXiv:2305.18274) 3.2.
    """
    logits = brain @ images.T / temperature
    forward = -(logits.log_softmax(-1) * labels).sum(-1).mean()
    backward = -(logits.T.log_softmax(-1) * labels.T).sum(-1).mean()
    return (forward + backward) / 2


def soft_contrastive(
    brain: Float[Tensor, "trials features"],
    images: Float[Tensor, "trials features"],
    temperature: float,
) -> Float[Tensor, ""]:
    """SoftCLIP: the images' similarities among themselves are the labels.

    Source: MindEye1 (arXiv:2305.18274) 3.2.
    """
    logits = brain @ images.T / temperature
    labels = (images @ images.T / temperature).softmax(-1)
    forward = -(logits.log_softmax(-1) * labels).sum(-1).mean()
    backward = -(logits.T.log_softmax(-1) * labels).sum(-1).mean()
    return (forward + backward) / 2


def latent_distance(
    predicted: Float[Tensor, "images channels rows columns"],
    wanted: Float[Tensor, "images channels rows columns"],
) -> Float[Tensor, ""]:
    """Mean absolute difference of VAE latents (MindEye1, arXiv:2305.18274, low-level pipeline)."""
    return (predicted - wanted).abs().mean()


def top1_share(
    brain: Float[Tensor, "trials features"], images: Float[Tensor, "trials features"]
) -> Float[Tensor, ""]:
    """Share of trials whose own image is the most similar of the batch (a monitor, no loss)."""
    own: Int[Tensor, trials] = torch.arange(len(brain), device=brain.device)
    return ((brain @ images.T).argmax(-1) == own).float().mean()

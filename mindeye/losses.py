"""Losses and the mixing of scans, as pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Who is mixed with whom: trial i becomes kept[i] of itself and the rest of partner[i]."""

    kept: Float[Tensor, "trials"]
    partner: Int[Tensor, "trials"]

    def matrix(self) -> Float[Tensor, "trials trials"]:
        """Row i holds the weights of mixed trial i; rows sum to one.

        The matrix that mixes the betas is the matrix that labels them, so a trial that is its own
        partner keeps a whole label.
        """
        rest = (1 - self.kept).unsqueeze(1)
        # Not `one_hot`, which looks at the values first: on a device that is waiting.
        partners = torch.eye(len(self.kept), device=rest.device, dtype=rest.dtype)[self.partner]
        return torch.diag(self.kept) + rest * partners

    def lossy_labels(self) -> Float[Tensor, "trials trials"]:
        """Labels as published: for a trial that is its own partner the rest replaces what it keeps.

        Source: `mixco_nce` of both released systems; differs from `matrix` in those rows alone.
        """
        labels = torch.diag(self.kept)
        labels[torch.arange(len(self.kept)), self.partner] = 1 - self.kept
        return labels


def draw_mixing(
    num_trials: int, *, concentration: float, share: float, generator: torch.Generator
) -> Mixing:
    """Draws MixCo's mixing.

    Trial i keeps a part drawn from Beta(concentration, concentration) and takes the rest from a
    random partner; a trial is mixed with probability `share`.

    Source: MindEye1 (arXiv:2305.18274) 3.2; MixCo, arXiv:2010.06300.
    """
    gamma = torch.empty(2, num_trials).fill_(concentration)
    draws = torch._standard_gamma(gamma, generator=generator).clamp_min(1e-30)
    kept = draws[0] / draws.sum(0)
    mixed = torch.rand(num_trials, generator=generator) < share
    return Mixing(
        kept=torch.where(mixed, kept, torch.ones_like(kept)),
        partner=torch.randperm(num_trials, generator=generator),
    )


def joint_mixing(parts: Sequence[Mixing], *, crossed: bool = False) -> Mixing:
    """The mixing of a batch whose trials belong to several subjects, one part after the other.

    Partners stay within a subject. With `crossed`, as MindEye2 (arXiv:2403.11207) was released,
    every partner is counted from the first trial of the batch: labels of all subjects but the
    first name another subject's trials.
    """
    starts = torch.tensor([0, *(len(part.kept) for part in parts[:-1])]).cumsum(0).tolist()
    return Mixing(
        kept=torch.cat([part.kept for part in parts]),
        partner=torch.cat(
            [part.partner + (0 if crossed else start) for part, start in zip(parts, starts)]
        ),
    )


def mixed_contrastive(
    similarities: Float[Tensor, "trials trials"],
    labels: Float[Tensor, "trials trials"],
    temperature: float,
) -> Float[Tensor, ""]:
    """BiMixCo: cross entropy of brain-image similarities with mixed labels, both directions.

    Args:
        similarities: cosines, a row for each scan, a column for each image.
        labels: the matrix of a `Mixing` (identity: plain InfoNCE).

    Source: MindEye1 (arXiv:2305.18274) 3.2.
    """
    logits = similarities / temperature
    forward = -(logits.log_softmax(-1) * labels).sum(-1).mean()
    backward = -(logits.T.log_softmax(-1) * labels.T).sum(-1).mean()
    return (forward + backward) / 2


def soft_contrastive(
    similarities: Float[Tensor, "trials trials"],
    image_similarities: Float[Tensor, "trials trials"],
    temperature: float,
) -> Float[Tensor, ""]:
    """SoftCLIP: the images' similarities among themselves are the labels.

    Args:
        similarities: cosines, a row for each scan, a column for each image.
        image_similarities: the same between the images.

    Source: MindEye1 (arXiv:2305.18274) 3.2.
    """
    logits = similarities / temperature
    labels = (image_similarities / temperature).softmax(-1)
    forward = -(logits.log_softmax(-1) * labels).sum(-1).mean()
    backward = -(logits.T.log_softmax(-1) * labels).sum(-1).mean()
    return (forward + backward) / 2


def latent_distance(
    predicted: Float[Tensor, "images channels rows columns"],
    wanted: Float[Tensor, "images channels rows columns"],
) -> Float[Tensor, ""]:
    """Mean absolute difference of VAE latents (MindEye1, arXiv:2305.18274, low-level pipeline)."""
    return (predicted - wanted).abs().mean()


def top1_share(similarities: Float[Tensor, "trials trials"]) -> Float[Tensor, ""]:
    """Share of trials whose own image is the most similar of the batch (a monitor, no loss)."""
    own: Int[Tensor, trials] = torch.arange(len(similarities), device=similarities.device)
    return (similarities.argmax(-1) == own).float().mean()


def soft_map_contrast(
    maps: Float[Tensor, "images places width"],
    teacher_maps: Float[Tensor, "images places width"],
    augmented_teacher_maps: Float[Tensor, "images places width"],
    temperature: float,
) -> Float[Tensor, ""]:
    """SoftCLIP between the places of feature maps: those of all images are told from each other.

    s, t and a are the unit vectors at all places of all images: of the decoder, of a frozen
    network, and of that network on an augmented view. The loss is the mean of two cross entropies,
    of logits s a' with labels softmax(t a') and of a s' with softmax(a t'), all products divided by
    `temperature`. Unlike `soft_contrastive`'s, these labels differ between the directions. Memory
    grows with the square of images x places.

    Source: MindEye1 (arXiv:2305.18274) A.4, released low-level training, temperature 0.075;
    MindEye2's takes 0.2.
    """
    predicted, seen, augmented = (
        functional.normalize(one.flatten(0, 1), dim=-1)
        for one in (maps, teacher_maps, augmented_teacher_maps)
    )
    logits = predicted @ augmented.T / temperature
    wanted = seen @ augmented.T / temperature
    forward = functional.cross_entropy(logits, wanted.softmax(-1))
    backward = functional.cross_entropy(logits.T, wanted.T.softmax(-1))
    return (forward + backward) / 2


def pixel_distance(
    decoded: Float[Tensor, "images 3 rows columns"], shown: Float[Tensor, "images 3 rows columns"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of RGB pictures in [0, 1]; what was decoded may lie outside.

    Source: MindEye1's train_autoencoder.py, `use_reconst`; there in [-1, 1], which doubles it.
    """
    return (decoded - shown).abs().mean()


def edge_distance(
    decoded: Float[Tensor, "images 3 rows columns"], shown: Float[Tensor, "images 3 rows columns"]
) -> Float[Tensor, ""]:
    """Mean absolute difference of the edges; what was shown loses its specks first.

    Source: MindEye1's train_autoencoder.py, `use_sobel_loss`; differs: where a median reaches over
    the border, pixels repeat instead of being black.
    """
    return (edge_strength(decoded) - edge_strength(without_specks(shown))).abs().mean()


def edge_strength(
    images: Float[Tensor, "images channels rows columns"],
) -> Float[Tensor, "images channels rows columns"]:
    """Length of each channel's gradient a pixel, by Sobel's filter; the border repeats.

    A thousandth stands in for no edge at all, where a length has no gradient.
    """
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 2:] - padded[..., :-2]) / 2
    down = (padded[..., 2:, :] - padded[..., :-2, :]) / 2
    across = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 4
    down = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 4
    return (across.square() + down.square() + 1e-6).sqrt()


def without_specks(
    images: Float[Tensor, "images channels rows columns"],
) -> Float[Tensor, "images channels rows columns"]:
    """The median of each pixel and its eight neighbours; the border repeats."""
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return padded.unfold(-2, 3, 1).unfold(-2, 3, 1).flatten(-2).median(-1).values

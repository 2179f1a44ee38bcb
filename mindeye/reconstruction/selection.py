"""Choosing among candidates, without ever seeing the true image."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mindeye.reconstruction.settings import FEWEST_THAT_AGREE


def second_order_scores(
    candidates: Float[Tensor, "images candidates features"],
    brain: Float[Tensor, "images features"],
) -> Float[Tensor, "images candidates"]:
    """Cosine of each candidate's CLIP tokens with the contrastive head's embedding of the scan.

    Source: MindEye1 (arXiv:2305.18274) 3.3, second-order selection.
    """
    return functional.cosine_similarity(candidates, brain.unsqueeze(1), dim=-1)


def agreements(
    candidates: Float[Tensor, "images candidates features"],
) -> Float[Tensor, "images candidates"]:
    """Mean cosine of each candidate with the other candidates of its image.

    Raises:
        ValueError: a single candidate, which has no others.
    """
    count = candidates.shape[1]
    if count < 2:
        raise ValueError("A single candidate agrees with no other one. Draw 2 or more.")
    unit = functional.normalize(candidates, dim=-1)
    # The sum over all pairs of an image; a candidate's cosine with itself is 1.
    cosines = torch.einsum("ikf,if->ik", unit, unit.sum(1))
    return (cosines - 1) / (count - 1)


def spreads(
    candidates: Float[Tensor, "images candidates features"],
) -> Float[Tensor, "images"]:
    """Mean cosine distance between the candidates of an image, over all pairs.

    Raises:
        ValueError: a single candidate.
    """
    return 1 - agreements(candidates).mean(1)


def best_candidates(
    scores: Float[Tensor, "images candidates"],
) -> Int[Tensor, "images"]:
    """The candidate with the highest score; the first of equals."""
    return scores.argmax(dim=1)


def chosen_among(
    candidates: Float[Tensor, "images candidates features"],
    scores: Float[Tensor, "images candidates"],
    selection: str,
) -> Int[Tensor, "images"]:
    """The candidate of each image that is its picture.

    Args:
        candidates: their CLIP tokens.
        scores: of `second_order_scores`.
        selection: a name of `mindeye.reconstruction.settings.SELECTIONS`. `consensus` takes the
            medoid; `average` has a single picture left to choose from.

    Raises:
        ValueError: `consensus` of two, which agree with each other alike.
    """
    count = candidates.shape[1]
    if selection == "first" or count == 1:
        return torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    if selection == "consensus" and count < FEWEST_THAT_AGREE:
        raise ValueError(
            f"{count} candidates agree with each other alike, and rounding would choose. "
            f"Draw {FEWEST_THAT_AGREE} or more, or select otherwise."
        )
    return best_candidates(agreements(candidates) if selection == "consensus" else scores)

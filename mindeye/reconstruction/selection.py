"""Choosing among candidates, without ever seeing the true image."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def second_order_scores(
    candidates: Float[Tensor, "images candidates features"],
    brain: Float[Tensor, "images features"],
) -> Float[Tensor, "images candidates"]:
    """Cosine of each candidate's CLIP tokens with the contrastive head's embedding of the scan.

    Source: MindEye1 (arXiv:2305.18274) 3.3, second-order selection.
    """
    return functional.cosine_similarity(candidates, brain.unsqueeze(1), dim=-1)


def best_candidates(
    scores: Float[Tensor, "images candidates"],
) -> Int[Tensor, "images"]:
    """The candidate with the highest score; the first of equals."""
    return scores.argmax(dim=1)

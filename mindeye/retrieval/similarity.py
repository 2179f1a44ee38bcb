"""Brain and image embeddings: how alike they are, and how many rivals a pair has."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

# Cosines closer than float32 can tell apart are ties, and ties count as misses.
TIE = 1e-6


def similarity_matrix(
    brain: Float[Tensor, "trials *features"], images: Float[Tensor, "_images *_features"]
) -> Float[Tensor, "trials _images"]:
    """Cosine of every brain embedding (row) with every image embedding (column).

    Raises:
        ValueError: other feature counts, or an embedding of length zero.
        FloatingPointError: NaN or infinity.
    """
    if brain.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"Brain embeddings have shape {tuple(brain.shape[1:])} but image embeddings "
            f"{tuple(images.shape[1:])}. Were they made for the same target network?"
        )
    return unit_rows("brain", brain.flatten(1)) @ unit_rows("image", images.flatten(1)).T


def unit_rows(
    name: str, embeddings: Float[Tensor, "rows features"]
) -> Float[Tensor, "rows features"]:
    """Embeddings of length 1, as new tensors of float32 or finer; `name` is for the messages.

    Raises:
        ValueError: an embedding of length zero.
        FloatingPointError: NaN or infinity.
    """
    embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    lengths = embeddings.norm(dim=1, keepdim=True)
    bad = torch.nonzero(~torch.isfinite(lengths).flatten()).flatten()
    if len(bad):
        raise FloatingPointError(
            f"{len(bad)} of {len(lengths)} {name} embeddings hold NaN or infinity, first at "
            f"positions {bad[:5].tolist()}. Look at the network that made them."
        )
    zero = torch.nonzero((lengths == 0).flatten()).flatten()
    if len(zero):
        raise ValueError(
            f"{len(zero)} of {len(lengths)} {name} embeddings have length zero, first at positions "
            f"{zero[:5].tolist()}. They have no direction to compare."
        )
    return embeddings / lengths


def image_retrieval_rivals(
    similarity: Float[Tensor, "images images"],
) -> Int[np.ndarray, "images"]:
    """Given each brain (row), how many wrong images are at least as similar as its own.

    The published code calls this direction `bwd` and prints it as "Brain".
    """
    return _rivals(similarity)


def brain_retrieval_rivals(
    similarity: Float[Tensor, "images images"],
) -> Int[np.ndarray, "images"]:
    """Given each image (column), how many wrong brains are at least as similar as its own.

    The published code calls this direction `fwd` and prints it as "Image".
    """
    return _rivals(similarity.T)


def _rivals(similarity: Float[Tensor, "rows rows"]) -> Int[np.ndarray, "rows"]:
    own = similarity.diagonal().unsqueeze(1)
    at_least = similarity >= own - TIE
    return (at_least.sum(1) - 1).cpu().numpy()

"""Brain and image embeddings: how alike they are, and how many rivals a pair has."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.row_products import room_like, row_products

# Cosines closer than float32 can tell apart are ties, and ties count as misses.
TIE = 1e-6
# Rows counted at a time in pools: 41 MB for 10,000 images.
ROWS = 1024
# Large pages for more than these (134 MB of float32) are seldom free, and the system took longer
# to make room for them than to fill small ones.
LARGE_PAGE_VALUES = 1 << 25


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
    sides = [_single_or_finer(one.flatten(1)) for one in (brain, images)]
    lengths = [_lengths(name, one) for name, one in zip(("brain", "image"), sides)]
    # Dividing the products takes no second copy of all rows.
    return row_products(*sides) / lengths[0] / lengths[1].T


def unit_rows(
    name: str, embeddings: Float[Tensor, "rows features"]
) -> Float[Tensor, "rows features"]:
    """Embeddings of length 1, as new tensors of float32 or finer; `name` is for the messages.

    Raises:
        ValueError: an embedding of length zero.
        FloatingPointError: NaN or infinity.
    """
    embeddings = _single_or_finer(embeddings)
    lengths = _lengths(name, embeddings)
    return torch.div(embeddings, lengths, out=_large_room_like(embeddings))


def _single_or_finer(
    embeddings: Float[Tensor, "rows features"],
) -> Float[Tensor, "rows features"]:
    return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))


def _lengths(name: str, embeddings: Float[Tensor, "rows features"]) -> Float[Tensor, "rows 1"]:
    """Lengths of embeddings, none of which is zero or not finite."""
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
    return lengths


def _large_room_like(
    values: Float[Tensor, "rows features"],
) -> Float[Tensor, "rows features"] | None:
    """Memory for unit rows; None (torch's own) for very many, or where gradients flow."""
    if values.requires_grad or values.numel() > LARGE_PAGE_VALUES:
        return None
    return room_like(values)


def image_retrieval_rivals(
    similarity: Float[Tensor, "images images"], members: Float[Tensor, "images pools"] | None = None
) -> Int[np.ndarray, "images *pools"]:
    """Given each brain (row), how many wrong images are at least as similar as its own.

    The published code calls this direction `bwd` and prints it as "Brain".

    Args:
        members: 1 where an image stands in a pool, else 0; rivals are then counted in each pool.
    """
    return _rivals(similarity, members)


def brain_retrieval_rivals(
    similarity: Float[Tensor, "images images"], members: Float[Tensor, "images pools"] | None = None
) -> Int[np.ndarray, "images *pools"]:
    """Given each image (column), how many wrong brains are at least as similar as its own.

    The published code calls this direction `fwd` and prints it as "Image".

    Args:
        members: 1 where an image stands in a pool, else 0; rivals are then counted in each pool.
    """
    return _rivals(similarity.T, members)


def _rivals(
    similarity: Float[Tensor, "rows rows"], members: Float[Tensor, "rows pools"] | None
) -> Int[np.ndarray, "rows *pools"]:
    own = similarity.diagonal().unsqueeze(1)
    if members is None:
        at_least = similarity >= own - TIE
        return (at_least.sum(1) - 1).cpu().numpy()
    # Zeros and ones: each sum is a whole number, and exact in single precision.
    members = members.to(similarity.device)
    counts = [
        (some >= one - TIE).float() @ members
        for some, one in zip(similarity.split(ROWS), own.split(ROWS), strict=True)
    ]
    return (torch.cat(counts).long() - 1).cpu().numpy()

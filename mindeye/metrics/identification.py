"""Two-way identification and correlation distance: is a reconstruction like its own image?"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.metrics.pairs import require_pairs, require_variance

# Features multiplied at a time: centred copies of 982 x 184,512 values would take 1.4 GB.
FEATURE_BLOCK = 8192
# Correlations closer than this are computed again in float64 before they are compared.
NEAR = 1e-5
PAIR_BLOCK = 4_000_000


def correlation_matrix(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "_images _features"],
) -> Float[Tensor, "images images"]:
    """Pearson correlation of every reconstruction (row) with every seen image (column).

    Raises:
        ValueError: other counts or sizes, or a feature vector without variance.
        FloatingPointError: NaN or infinity.
    """
    _require_feature_rows(reconstructed, seen)
    product = torch.zeros(len(seen), len(seen), dtype=torch.float64, device=seen.device)
    squares = product.new_zeros(2, len(seen))
    means = [_row_means(values) for values in (reconstructed, seen)]
    for first, second in zip(
        reconstructed.split(FEATURE_BLOCK, 1), seen.split(FEATURE_BLOCK, 1), strict=True
    ):
        first, second = first - means[0], second - means[1]
        product += first @ second.T
        squares += torch.stack([first.square().sum(1), second.square().sum(1)])
    norms = squares.sqrt()
    return product / norms[0].unsqueeze(1) / norms[1]


def two_way_wins(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "_images _features"],
) -> Float[Tensor, "images"]:
    """Share of other images to which each reconstruction is less alike than to its own.

    Likeness is Pearson correlation over features. Ties count as misses; chance is 0.5. The mean
    over images is the published score: each reconstruction against all other *seen images* (the
    MindEye2 paper's text says "other reconstructions", its code compares with seen images).

    Raises:
        ValueError: fewer than two images, other sizes, or a feature vector without variance.
        FloatingPointError: NaN or infinity.

    Source: MindEye1 (arXiv:2305.18274), evaluation; differs: per-image wins are kept.
    """
    if len(seen) == 1:
        raise ValueError(
            "Two-way identification needs at least two images, not 1. Evaluate more test images."
        )
    correlations = correlation_matrix(reconstructed, seen)
    margin = correlations.diagonal().unsqueeze(1) - correlations
    near = (margin.abs() < NEAR).fill_diagonal_(False)
    wins = margin > 0
    wins[near] = _wins_of_pairs(reconstructed, seen, near)
    wins.fill_diagonal_(False)
    return wins.sum(1).double() / (len(seen) - 1)


def two_way_identification(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "_images _features"],
) -> float:
    """How often a reconstruction is more like its own image than another: the mean of wins."""
    return two_way_wins(reconstructed, seen).mean().item()


def two_way_wins_of_permutation(
    correlations: Float[Tensor, "images images"], partner: Tensor
) -> Float[Tensor, "images"]:
    """Wins if reconstruction i were of image `partner[i]`: the building block of a label null."""
    own = correlations.gather(1, partner.unsqueeze(1))
    return (correlations < own).sum(1).double() / (len(correlations) - 1)


def correlation_distance(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "_images _features"],
) -> Float[Tensor, "images"]:
    """One minus the Pearson correlation of each reconstruction's features with its image's.

    Raises:
        ValueError: other counts or sizes, or a feature vector without variance.
        FloatingPointError: NaN or infinity.
    """
    _require_feature_rows(reconstructed, seen)
    return 1 - _paired_correlation(reconstructed, seen)


def _require_feature_rows(reconstructed: Tensor, seen: Tensor) -> None:
    require_pairs(reconstructed, seen)
    for name, values in (
        ("reconstructed feature rows", reconstructed),
        ("seen feature rows", seen),
    ):
        low, high = torch.aminmax(values, dim=1)
        require_variance(name, low == high)


def _row_means(values: Float[Tensor, "rows features"]) -> Float[Tensor, "rows 1"]:
    dtype = torch.promote_types(values.dtype, torch.float32)
    return values.mean(1, keepdim=True, dtype=dtype)


def _paired_correlation(
    first: Float[Tensor, "pairs features"], second: Float[Tensor, "pairs features"]
) -> Float[Tensor, "pairs"]:
    """Row by row in float64; equal rows give bitwise equal results, so that ties are ties."""
    first, second = first.double(), second.double()
    first = first - first.mean(1, keepdim=True)
    second = second - second.mean(1, keepdim=True)
    return (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))


def _wins_of_pairs(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "images features"],
    chosen: Bool[Tensor, "images images"],
) -> Bool[Tensor, "pairs"]:
    """For each chosen (reconstruction, other image): does the reconstruction's own image win?"""
    wins = []
    pairs = torch.nonzero(chosen)
    for row, other in (block.T for block in pairs.split(max(1, PAIR_BLOCK // seen.shape[1]))):
        own = _paired_correlation(reconstructed[row], seen[row])
        wins.append(own > _paired_correlation(reconstructed[row], seen[other]))
    return torch.cat(wins) if wins else chosen.new_zeros(0)

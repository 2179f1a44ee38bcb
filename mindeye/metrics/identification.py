"""Two-way identification and correlation distance: is a reconstruction like its own image?"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mindeye.metrics.centred_rows import CentredRows, RawRows, centred_sides
from mindeye.metrics.feature_rows import FeatureRows, StoredRows, as_rows
from mindeye.metrics.pairs import (
    refuse_not_finite,
    require_pairs,
    require_same_shape,
    require_variance,
)
from mindeye.row_products import rough_row_products

# Features multiplied at a time: centred copies of 982 x 184,512 values would take 1.4 GB.
FEATURE_BLOCK = 8192
# Correlations closer than this are computed again in float64 before they are compared.
NEAR = 1e-5
# Values of a block of such pairs: they stay in the processor's cache.
PAIR_BLOCK = 1 << 17
# Reconstructions compared with all images at a time: many where all features must be read again
# for each block, few where one block holds them, because their table then stays in the cache.
ROW_BLOCK, CACHED_ROWS = 2048, 256
# Values of a block of features (34 MB); blocks of more than 1,024 images become narrower for it.
BLOCK_VALUES = 1 << 23
# A row whose spread is below this share of its mean may have none at all: it is looked at.
SUSPICIOUS = 1e-3


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
    reconstructed: Float[Tensor, "images features"] | StoredRows,
    seen: Float[Tensor, "_images _features"] | StoredRows,
) -> Float[Tensor, "images"]:
    """Share of other images to which each reconstruction is less alike than to its own.

    Likeness is Pearson correlation over features. Ties count as misses; chance is 0.5. The mean
    over images is the published score: each reconstruction against all other *seen images* (the
    MindEye2 paper's text says "other reconstructions", its code compares with seen images).

    Raises:
        ValueError: fewer than two images, other sizes, or a feature vector without variance.
        FloatingPointError: NaN or infinity.

    Source: MindEye1 (arXiv:2305.18274), evaluation; differs: per-image wins are kept, and a
    comparison too close for float32 is made again in float64.
    """
    if seen.shape[0] == 1:
        raise ValueError(
            "Two-way identification needs at least two images, not 1. Evaluate more test images."
        )
    require_same_shape(tuple(reconstructed.shape), tuple(seen.shape), slice(1, None))
    num_images, num_features = seen.shape
    size = ROW_BLOCK if num_features > FEATURE_BLOCK else CACHED_ROWS
    both = centred_sides(as_rows(reconstructed), as_rows(seen))
    blocks = (slice(start, start + size) for start in range(0, num_images, size))
    wins = torch.cat([_wins_of_rows(*both, rows) for rows in blocks])
    return wins.double() / (num_images - 1)


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


def _wins_of_rows(
    reconstructed: CentredRows, seen: CentredRows | RawRows, rows: slice
) -> Float[Tensor, "rows"]:
    """How many other images each of these reconstructions is less alike to than to its own."""
    product, norms, seen_norms = centred_products(reconstructed, seen, rows)
    if reconstructed.norms is None:
        _refuse_unsound("reconstructed", reconstructed.values, rows, norms)
    if seen.norms is None:
        _refuse_unsound("seen", seen.values, slice(None), seen_norms)
    # The row's own norm is common to all that is compared with it.
    product /= seen_norms.to(product)
    own, near = product.diagonal(rows.start), (NEAR * norms).to(product)
    wins = (product < (own - near).unsqueeze(1)).count_nonzero(1)
    possible = product <= (own + near).unsqueeze(1)
    unsure = torch.nonzero(possible.count_nonzero(1) - wins > 1).flatten()  # 1: its own image
    if not len(unsure):
        return wins.double()
    possible = possible[unsure] & (product[unsure] >= (own - near)[unsure].unsqueeze(1))
    possible[torch.arange(len(unsure)), unsure + rows.start] = False
    row, other = torch.nonzero(possible).T
    row = unsure[row]
    exact = _wins_of_pairs(reconstructed.values, seen.values, row + rows.start, other)
    return wins.double().index_add_(0, row, exact.double())


def centred_products(
    reconstructed: CentredRows, seen: CentredRows | RawRows, rows: slice
) -> tuple[Float[Tensor, "rows images"], Float[Tensor, "rows"], Float[Tensor, "images"]]:
    """Products of centred rows (some reconstructions, all images), and the norms of both."""
    num_images, num_features = seen.values.shape
    width = min(FEATURE_BLOCK, max(1, BLOCK_VALUES // num_images))
    sides = reconstructed, seen
    total, squares = None, [0, 0]
    for start in range(0, num_features, width):
        columns = slice(start, start + width)
        blocks = reconstructed.block(rows, columns), seen.block(slice(None), columns)
        for which, block in enumerate(blocks):
            if sides[which].norms is None:
                squares[which] += torch.linalg.vector_norm(block, dim=1).double().square()
        product = rough_row_products(blocks[0], seen.ready(columns))
        total = product if total is None else total.double().add_(product)
    own = squares[0].sqrt() if reconstructed.norms is None else reconstructed.norms[rows]
    return total, own, squares[1].sqrt() if seen.norms is None else seen.norms


def _refuse_unsound(
    kind: str, values: FeatureRows, rows: slice, norms: Float[Tensor, "rows"]
) -> None:
    """Looks closer at rows whose norm is strange; a look at all of them would cost too much."""
    means = values.means[rows, 0]
    strange = ~(norms > SUSPICIOUS * means.abs() * values.shape[1] ** 0.5) | norms.isinf()
    finite = torch.ones(values.shape[0], dtype=torch.bool)
    constant = ~finite
    for row in (torch.nonzero(strange).flatten() + (rows.start or 0)).tolist():
        low, high = values.rows(torch.tensor([row])).aminmax()
        finite[row], constant[row] = torch.isfinite(low + high).item(), (low == high).item()
    refuse_not_finite("seen images" if kind == "seen" else "reconstructions", ~finite)
    require_variance(f"{kind} feature rows", constant)


def _wins_of_pairs(
    reconstructed: FeatureRows,
    seen: FeatureRows,
    row: Int[Tensor, "pairs"],
    other: Int[Tensor, "pairs"],
) -> Bool[Tensor, "pairs"]:
    """Is reconstruction `row` more like its own image than like image `other`?"""
    size = max(1, PAIR_BLOCK // seen.shape[1])
    # Made at once: a small piece kept of each block would lie in the gap that the large ones of
    # the block leave, which the next ones then do not fit into; all blocks would stay in memory.
    wins = torch.empty(len(row), dtype=torch.bool, device=row.device)
    for start in range(0, len(row), size):
        block = slice(start, start + size)
        values = reconstructed.rows(row[block])
        own = _paired_correlation(values, seen.rows(row[block]))
        torch.gt(own, _paired_correlation(values, seen.rows(other[block])), out=wins[block])
    return wins

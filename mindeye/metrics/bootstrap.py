"""The bootstrap over images for many columns at once: metrics, systems, differences.

All columns are resampled by the same images, so that what is paired stays paired.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr, ndtri

from mindeye.metrics.statistics import Interval, PerImage, proportion_interval

# Images drawn at a time: their counts take 16 MB.
DRAWN_BLOCK = 2_000_000

Columns = Float[np.ndarray, "images columns"]
Resampled = Float[np.ndarray, "resamples columns"]


def bootstrap_intervals(
    columns: Mapping[str, PerImage],
    rng: np.random.Generator,
    *,
    medians: Collection[str] = (),
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> dict[str, Interval]:
    """Intervals over images of the mean of every column, or of its median.

    The methods are those of `bootstrap_interval`: BCa for means, percentiles for medians, the
    exact binomial interval for the mean of hits that are all 0 or 1.

    Args:
        columns: name -> one value an image, the same images in the same order.
        medians: names of the columns whose median is wanted.

    Raises:
        ValueError: other counts, fewer than two images, or a median of no column.
        FloatingPointError: NaN or infinity; the column is named.
    """
    values = column_table(columns)
    unknown = sorted(set(medians) - columns.keys())
    if unknown:
        raise ValueError(
            f"The median of `{unknown[0]}` is asked for, but the columns are "
            f"{', '.join(columns)}. Name one of them."
        )
    is_median = np.array([name in medians for name in columns])
    hits = np.isin(values, (0.0, 1.0)).all(0) & ~is_median
    low, high = np.empty((2, len(columns)))
    value = np.where(is_median, np.median(values, 0), _means(values))
    draws = [np.flatnonzero(is_median), np.flatnonzero(~is_median & ~hits)]
    of_medians, of_means = _resampled(values, draws, rng, resamples)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    low[draws[0]], high[draws[0]] = np.quantile(of_medians, tails, axis=0)
    low[draws[1]], high[draws[1]] = bca_ends(values[:, draws[1]], of_means, confidence)
    for column in np.flatnonzero(hits):
        exact = proportion_interval(int(values[:, column].sum()), len(values), confidence)
        low[column], high[column] = exact.low, exact.high
    ends = zip(value.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Interval(*one) for name, one in zip(columns, ends, strict=True)}


def resampled_means(values: Columns, rng: np.random.Generator, resamples: int) -> Resampled:
    """Means of all columns over the same resampled images; memory grows with resamples alone."""
    weights = values / len(values)
    return np.concatenate(
        [counts @ weights for counts in resample_counts(len(values), rng, resamples)]
    )


def resample_counts(
    num_images: int, rng: np.random.Generator, resamples: int
) -> Iterator[Float[np.ndarray, "block images"]]:
    """How often each image stands in each resample, a block of resamples at a time."""
    block = max(1, DRAWN_BLOCK // num_images)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        drawn = rng.integers(num_images, size=(count, num_images))
        drawn += num_images * np.arange(count)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=count * num_images)
        yield counts.reshape(count, num_images).astype(np.float64)


def bca_ends(
    values: Columns, resampled: Resampled, confidence: float = 0.95
) -> Float[np.ndarray, "2 columns"]:
    """Lower and upper ends for the means of all columns: bias-corrected and accelerated.

    A column of equal values has no width.

    Source: Efron 1987, as in scipy.stats.bootstrap; for means the jackknife has a closed form.
    """
    observed, varies = _means(values), np.ptp(values, axis=0) > 0
    # A mean of equal values differs from them by rounding, which is no spread.
    deviation = np.where(varies, values - observed, 0.0)
    spread = (deviation**2).sum(0)
    below = ((resampled < observed).mean(0) + (resampled <= observed).mean(0)) / 2
    usable = varies & (below > 0) & (below < 1)
    bias = ndtri(np.where(usable, below, 0.5))
    with np.errstate(invalid="ignore"):
        acceleration = np.where(usable, (deviation**3).sum(0) / (6 * spread**1.5), 0.0)
    shifted = bias + ndtri([[(1 - confidence) / 2], [(1 + confidence) / 2]])
    tails = ndtr(bias + shifted / (1 - acceleration * shifted))
    return np.where(varies, _quantiles(resampled, tails), observed)


def column_table(columns: Mapping[str, PerImage]) -> Columns:
    """Columns of as many finite values.

    Raises:
        ValueError: no column, other counts, or fewer than two images.
        FloatingPointError: NaN or infinity; the first column is named.
    """
    counts = {name: np.shape(values) for name, values in columns.items()}
    shapes = set(counts.values())
    if len(shapes) != 1 or any(len(shape) != 1 or shape[0] < 2 for shape in shapes):
        raise ValueError(
            f"Intervals over images need columns of the same two or more images, not {counts}. "
            "Evaluate all systems and metrics on the same test images."
        )
    table = np.stack([np.asarray(one, dtype=np.float64) for one in columns.values()], axis=1)
    bad = ~np.isfinite(table)
    if bad.any():
        column = int(np.flatnonzero(bad.any(0))[0])
        rows = np.flatnonzero(bad[:, column])
        raise FloatingPointError(
            f"{len(rows)} of {len(table)} values of `{list(columns)[column]}` are NaN or infinite, "
            f"first at positions {rows[:5].tolist()}. Look at the metric that made them."
        )
    return table


def _means(values: Columns) -> Float[np.ndarray, "columns"]:
    """Each column by itself: added up row by row, rounding errors would grow."""
    return np.array([one.mean() for one in values.T])


def _resampled(
    values: Columns,
    draws: list[Int[np.ndarray, "_columns"]],
    rng: np.random.Generator,
    resamples: int,
) -> tuple[Float[np.ndarray, "resamples _medians"], Float[np.ndarray, "resamples _means"]]:
    """Medians of the first columns and means of the second, over the same resampled images."""
    medians, means = draws
    weights = values[:, means] / len(values)
    parts = [
        (_medians(values[:, medians], counts), counts @ weights)
        for counts in resample_counts(len(values), rng, resamples)
    ]
    return tuple(np.concatenate(one) for one in zip(*parts, strict=True))


def _medians(
    values: Columns, counts: Float[np.ndarray, "block images"]
) -> Float[np.ndarray, "block columns"]:
    """The medians of resamples, which hold each image `counts` times."""
    total = len(values)
    found = np.empty((len(counts), values.shape[1]))
    for column, one in enumerate(values.T):
        order = np.argsort(one)
        reached = counts[:, order].cumsum(1)
        middle = [(reached <= place).sum(1) for place in ((total - 1) // 2, total // 2)]
        found[:, column] = one[order][middle].mean(0)
    return found


def _quantiles(
    resampled: Resampled, levels: Float[np.ndarray, "ends columns"]
) -> Float[np.ndarray, "ends columns"]:
    """Of each column at levels of its own, with NumPy's linear interpolation."""
    ordered = np.sort(resampled, axis=0)
    place = levels * (len(ordered) - 1)
    first = np.floor(place).astype(np.int64)
    after = np.minimum(first + 1, len(ordered) - 1)
    column = np.arange(ordered.shape[1])
    share = place - first
    return ordered[first, column] * (1 - share) + ordered[after, column] * share

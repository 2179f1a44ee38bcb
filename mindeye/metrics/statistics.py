"""How sure is a number: intervals over images, paired differences, permutation nulls."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.special import betaincinv, ndtr, ndtri
from torch import Tensor

from mindeye.types import MetricRow

# One value an image; the length is checked with a sentence that says what to do.
PerImage = Real[np.ndarray, "_images"] | Real[Tensor, "_images"]
Statistic = Callable[..., np.ndarray]

# Resampled values held at a time (64 MB).
RESAMPLE_BLOCK = 8_000_000


class Interval(NamedTuple):
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    values: PerImage,
    rng: np.random.Generator,
    *,
    statistic: Statistic = np.mean,
    resamples: int = 10_000,
    confidence: float = 0.95,
    method: str = "auto",
) -> Interval:
    """Bootstrap over images: how the statistic would move with other images of the same kind.

    It says nothing of other subjects, sessions or seeds.

    Args:
        statistic: takes an array and `axis`, as `numpy.mean` does.
        method: `bca` (bias-corrected and accelerated, Efron 1987; for smooth statistics),
            `percentile` (medians), or `auto`: `bca`, but the exact binomial interval for the mean
            of hits that are all 0 or 1, because a bootstrap of no hit in 100 has no width and
            would exclude a chance of 0.01.

    Raises:
        ValueError: fewer than two images, or an unknown method.
        FloatingPointError: NaN or infinity.
    """
    if method not in ("auto", "bca", "percentile"):
        raise ValueError(
            f"Unknown bootstrap method `{method}`. Choose `auto`, `bca` or `percentile`."
        )
    array = _finite_array(values)
    if method == "auto" and statistic is np.mean and np.isin(array, (0.0, 1.0)).all():
        return proportion_interval(int(array.sum()), len(array), confidence)
    observed = float(statistic(array, axis=0))
    resampled = _resample(array, rng, statistic, resamples)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if method != "percentile" and np.ptp(array) > 0:
        tails = _accelerated(tails, observed, resampled, _jackknife(array, statistic))
    low, high = np.quantile(resampled, tails)
    return Interval(observed, float(low), float(high))


def paired_difference_interval(
    first: PerImage, second: PerImage, rng: np.random.Generator, **settings
) -> Interval:
    """Interval of mean(first - second) on the same images in the same order; settings as above.

    Raises:
        ValueError: other counts.
    """
    first, second = _finite_array(first), _finite_array(second)
    if len(first) != len(second):
        raise ValueError(
            f"{len(first)} and {len(second)} images cannot be paired. "
            "Evaluate both systems on the same test images."
        )
    return bootstrap_interval(first - second, rng, **{"method": "bca", **settings})


def proportion_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Exact interval of a proportion (Clopper and Pearson 1934); has width at 0 and 1 too."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(
            f"{successes} successes of {trials} trials is no proportion. Check what was counted."
        )
    tail = (1 - confidence) / 2
    failures = trials - successes
    low = betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return Interval(successes / trials, float(low), float(high))


def permutation_p(
    observed: float, null: Float[np.ndarray, "permutations"], *, better: str = "higher"
) -> float:
    """One-sided p-value (r + 1) / (n + 1), r null values at least as good as the observed one.

    Source: Phipson and Smyth 2010; never zero, uniform under the null.
    """
    null = np.asarray(null, dtype=np.float64)
    as_good = null >= observed if better == "higher" else null <= observed
    return (int(as_good.sum()) + 1) / (len(null) + 1)


def permutation_null(
    score: Callable[[Int[np.ndarray, "images"]], float],
    num_images: int,
    rng: np.random.Generator,
    *,
    permutations: int = 1000,
    blocks: Int[np.ndarray, "images"] | None = None,
) -> Float[np.ndarray, "permutations"]:
    """Scores when labels are exchanged at random.

    Args:
        score: takes `partner`, where image i is scored as if it were image partner[i].
        blocks: block (session, run) of each image; images are then exchanged only within blocks,
            so that what is common to a block cannot make the null too easy to beat.
    """
    blocks = np.zeros(num_images, dtype=np.int64) if blocks is None else np.asarray(blocks)
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    null = np.empty(permutations)
    for index in range(permutations):
        partner = np.arange(num_images)
        for group in members:
            partner[group] = rng.permutation(group)
        null[index] = score(partner)
    return null


def metric_row(
    system: str,
    metric: str,
    values: PerImage,
    rng: np.random.Generator,
    *,
    chance: float | None,
    better: str = "higher",
    **settings,
) -> MetricRow:
    """Per-image values -> one row of a table; settings as in `bootstrap_interval`."""
    interval = bootstrap_interval(values, rng, **settings)._asdict()
    return MetricRow(
        system=system, metric=metric, n=len(values), chance=chance, better=better, **interval
    )


def difference_row(
    systems: tuple[str, str],
    metric: str,
    values: tuple[PerImage, PerImage],
    rng: np.random.Generator,
    *,
    better: str = "higher",
    **settings,
) -> MetricRow:
    """The paired difference of two systems as a row; chance is 0, no difference."""
    system = f"{systems[0]} minus {systems[1]}"
    interval = paired_difference_interval(*values, rng, **settings)._asdict()
    return MetricRow(
        system=system, metric=metric, n=len(values[0]), chance=0.0, better=better, **interval
    )


def _finite_array(values: PerImage) -> Float[np.ndarray, "images"]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(
            f"An interval over images needs at least two images, not shape {array.shape}. "
            "Evaluate more test images."
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise FloatingPointError(
            f"{len(bad)} of {len(array)} per-image values are NaN or infinite, first at positions "
            f"{bad[:5].tolist()}. Look at the metric that made them."
        )
    return array


def _resample(
    array: Float[np.ndarray, "images"],
    rng: np.random.Generator,
    statistic: Statistic,
    resamples: int,
) -> Float[np.ndarray, "resamples"]:
    block = max(1, RESAMPLE_BLOCK // len(array))
    parts = []
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        chosen = rng.integers(len(array), size=(count, len(array)), dtype=np.int32)
        parts.append(statistic(array[chosen], axis=1))
    return np.concatenate(parts)


def _jackknife(
    array: Float[np.ndarray, "images"], statistic: Statistic
) -> Float[np.ndarray, "images"]:
    """The statistic without each image in turn."""
    count = len(array)
    if statistic is np.mean:
        return (array.sum() - array) / (count - 1)
    return np.array([statistic(np.delete(array, index), axis=0) for index in range(count)])


def _accelerated(
    tails: Float[np.ndarray, "ends"],
    observed: float,
    resampled: Float[np.ndarray, "resamples"],
    left_out: Float[np.ndarray, "images"],
) -> Float[np.ndarray, "ends"]:
    """Moves the two tail probabilities for bias and skew (Efron 1987)."""
    below = ((resampled < observed).mean() + (resampled <= observed).mean()) / 2
    deviation = left_out.mean() - left_out
    spread = (deviation**2).sum()
    if not 0 < below < 1 or spread == 0:
        return tails
    bias, acceleration = ndtri(below), (deviation**3).sum() / (6 * spread**1.5)
    shifted = bias + ndtri(tails)
    return ndtr(bias + shifted / (1 - acceleration * shifted))

"""Several systems on the same images: their means, all differences, and how sure those are."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mindeye.metrics.bootstrap import bca_ends, bootstrap_intervals, resampled_means
from mindeye.metrics.multiple_comparisons import holm_p
from mindeye.metrics.permutation import sign_flip_null
from mindeye.metrics.statistics import Interval

# System -> metric -> one value an image, the same images in the same order everywhere.
Scores = Mapping[str, Mapping[str, Float[np.ndarray, "images"]]]


class PairedDifference(NamedTuple):
    """How two systems differ in one metric on the same images."""

    first: str
    second: str
    metric: str
    value: float
    """Mean of first minus second."""
    low: float
    """Lower end of the 95 % interval over images."""
    high: float
    p: float
    """Two-sided, by flipping the sign of each image's difference."""
    adjusted_p: float
    """Holm's, over all metrics and pairs that are compared together."""
    first_higher: float
    """Share of images on which the first has the higher value; ties count half."""
    num_images: int


def system_intervals(scores: Scores, rng: np.random.Generator) -> dict[tuple[str, str], Interval]:
    """(system, metric) -> mean with its interval over images; all on the same resamples."""
    columns = {
        (system, metric): values
        for system, of_metric in scores.items()
        for metric, values in of_metric.items()
    }
    named = {f"{system}: {metric}": values for (system, metric), values in columns.items()}
    found = bootstrap_intervals(named, rng)
    return dict(zip(columns, found.values(), strict=True))


def paired_differences(
    scores: Scores,
    pairs: Sequence[tuple[str, str]],
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    permutations: int = 10_000,
) -> list[PairedDifference]:
    """Every pair of systems in every metric, metric by metric.

    Intervals are BCa over images; they and the p-values say nothing of other subjects or seeds.

    Raises:
        ValueError: fewer than two images.
    """
    metrics = list(next(iter(scores.values())))
    tests = [(metric, *pair) for metric in metrics for pair in pairs]
    values = np.stack(
        [scores[first][metric] - scores[second][metric] for metric, first, second in tests], axis=1
    ).astype(np.float64)
    if len(values) < 2:
        raise ValueError(
            f"{len(values)} image is common to the systems. Intervals need at least two."
        )
    low, high = bca_ends(values, resampled_means(values, rng, resamples))
    means = values.mean(0)
    null = np.abs(sign_flip_null(values, rng, permutations=permutations))
    # Sums of the same terms in another order differ by rounding.
    as_far = null >= np.abs(means) - 1e-12
    p = (as_far.sum(0) + 1) / (len(null) + 1)
    adjusted = holm_p(p)
    higher = ((values > 0) + 0.5 * (values == 0)).mean(0)
    return [
        PairedDifference(
            first=first,
            second=second,
            metric=metric,
            value=float(means[column]),
            low=float(low[column]),
            high=float(high[column]),
            p=float(p[column]),
            adjusted_p=float(adjusted[column]),
            first_higher=float(higher[column]),
            num_images=len(values),
        )
        for column, (metric, first, second) in enumerate(tests)
    ]

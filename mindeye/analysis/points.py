"""Per-image values -> the points of figures and tables."""

import numpy as np

from mindeye.metrics.statistics import PerImage, bootstrap_interval
from mindeye.types import AnalysisPoint


def point_of(
    values: PerImage,
    rng: np.random.Generator,
    *,
    within: tuple[float, float] | None = None,
    **about,
) -> AnalysisPoint:
    """The mean over images with its 95 % interval.

    Args:
        within: what the measure can be; linearised values of some resamples exceed it.
    """
    value, low, high = bootstrap_interval(values, rng)
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    return AnalysisPoint(value=value, low=low, high=high, n=len(values), **about)

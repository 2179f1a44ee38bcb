"""p-values of many metrics or regions at once, adjusted so that they can be read together."""

import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

PValues = Float[np.ndarray, "tests"]


def false_discovery_q(p_values: PValues) -> PValues:
    """Smallest share of false discoveries at which each test would be one.

    Holds for tests that are independent or positively related, as metrics of one decoder are.

    Raises:
        ValueError: a p-value outside 0 to 1.

    Source: Benjamini and Hochberg 1995, by scipy.
    """
    return false_discovery_control(_require_p(p_values))


def holm_p(p_values: PValues) -> PValues:
    """Adjusted so that the chance of any false discovery stays below alpha, whatever the relation.

    Raises:
        ValueError: a p-value outside 0 to 1.

    Source: Holm 1979.
    """
    p_values = _require_p(p_values)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def max_statistic_p(
    observed: Float[np.ndarray, "tests"], null: Float[np.ndarray, "permutations tests"]
) -> PValues:
    """One-sided p of each test against the largest of all tests in each permutation.

    As strict as `holm_p` and sharper where tests are related. Every column is counted in standard
    deviations of its own null; a null without spread can be no discovery.

    Args:
        null: all tests under the same permutations; higher is better.

    Source: Westfall and Young 1993, single step.
    """
    mean, spread = null.mean(0), null.std(0)
    scale = np.where(spread > 0, spread, np.inf)
    largest = ((null - mean) / scale).max(1)
    as_good = largest[:, None] >= (observed - mean) / scale
    return (as_good.sum(0) + 1) / (len(null) + 1)


def _require_p(p_values: PValues) -> PValues:
    p_values = np.asarray(p_values, dtype=np.float64)
    outside = ~((p_values >= 0) & (p_values <= 1))
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {len(p_values)} p-values lie outside 0 to 1, first "
            f"{p_values[outside][0]}. Give p-values, not test statistics."
        )
    return p_values

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


def _require_p(p_values: PValues) -> PValues:
    p_values = np.asarray(p_values, dtype=np.float64)
    outside = ~((p_values >= 0) & (p_values <= 1))
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {len(p_values)} p-values lie outside 0 to 1, first "
            f"{p_values[outside][0]}. Give p-values, not test statistics."
        )
    return p_values

import numpy as np
import pytest

from mindeye.metrics.multiple_comparisons import false_discovery_q, holm_p

P_VALUES = np.array([0.03, 0.001, 0.2, 0.03, 0.9, 0.012])


def test_q_is_what_benjamini_and_hochberg_define():
    """Slow definition: the smallest level at which the step-up procedure rejects a test."""
    ordered = np.sort(P_VALUES)
    for p, q in zip(P_VALUES, false_discovery_q(P_VALUES), strict=True):
        levels = [len(ordered) * one / (rank + 1) for rank, one in enumerate(ordered) if one >= p]
        assert q == pytest.approx(min(levels))


def test_holm_is_the_step_down_procedure():
    order, running = np.argsort(P_VALUES, kind="stable"), 0.0
    for rank, test in enumerate(order):
        running = max(running, min(1.0, (len(P_VALUES) - rank) * P_VALUES[test]))
        assert holm_p(P_VALUES)[test] == pytest.approx(running)


def test_adjusted_values_are_never_below_the_plain_ones_and_one_test_stays_as_it_is():
    for adjusted in (false_discovery_q, holm_p):
        assert (adjusted(P_VALUES) >= P_VALUES).all()
        assert adjusted(np.array([0.04])) == pytest.approx(0.04)


@pytest.mark.parametrize("wrong", [[0.1, 1.2], [-0.1], [0.5, np.nan]])
def test_what_is_no_p_value_is_refused(wrong):
    for adjusted in (false_discovery_q, holm_p):
        with pytest.raises(ValueError, match="lie outside 0 to 1"):
            adjusted(np.array(wrong))

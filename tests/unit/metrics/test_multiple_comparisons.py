import numpy as np
import pytest

from mindeye.metrics.multiple_comparisons import false_discovery_q, holm_p, max_statistic_p
from mindeye.metrics.statistics import permutation_p

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


def test_the_largest_statistic_of_one_test_is_that_test():
    rng = np.random.default_rng(0)
    null = rng.normal(3, 2, size=(499, 1))
    assert max_statistic_p(np.array([6.0]), null)[0] == permutation_p(6.0, null[:, 0])


def test_the_largest_statistic_holds_its_level_over_related_tests_and_is_sharper_than_holm():
    rng = np.random.default_rng(1)
    false_alarms, sharper = 0, 0
    for _ in range(300):
        common = rng.normal(size=(200, 1))
        draws = 0.9 * common + 0.44 * rng.normal(size=(200, 8))
        observed, null = draws[0], draws[1:]
        adjusted = max_statistic_p(observed, null)
        false_alarms += (adjusted <= 0.05).any()
        plain = np.array([permutation_p(one, null[:, at]) for at, one in enumerate(observed)])
        sharper += adjusted.min() < holm_p(plain).min()
    # 0.05 with a binomial standard error of 0.013.
    assert false_alarms / 300 < 0.09
    assert sharper > 200


def test_scales_of_tests_do_not_matter_and_one_without_spread_is_no_discovery():
    rng = np.random.default_rng(2)
    null = rng.normal(size=(99, 2))
    scaled = null * [1, 1000] + [0, 5]
    found = max_statistic_p(np.array([2.0, 1.0]), null)
    np.testing.assert_array_equal(max_statistic_p(np.array([2.0, 1005.0]), scaled), found)
    flat = np.concatenate([null, np.ones((99, 1))], axis=1)
    assert max_statistic_p(np.array([2.0, 1.0, 5.0]), flat)[2] > 0.5


@pytest.mark.parametrize("wrong", [[0.1, 1.2], [-0.1], [0.5, np.nan]])
def test_what_is_no_p_value_is_refused(wrong):
    for adjusted in (false_discovery_q, holm_p):
        with pytest.raises(ValueError, match="lie outside 0 to 1"):
            adjusted(np.array(wrong))

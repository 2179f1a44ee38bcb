import numpy as np
import pytest
import scipy.stats
import torch

from mindeye.retrieval.hubs import fair_hubs, hubs_of, win_counts


def test_wins_are_counted_query_by_query():
    similarity = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]])
    np.testing.assert_array_equal(win_counts(similarity), [1, 2])
    np.testing.assert_array_equal(win_counts(torch.zeros(3, 2)), [3, 0])


def test_statistics_are_those_of_slow_definitions():
    wins = np.random.default_rng(0).geometric(0.4, size=50) - 1
    found = hubs_of(wins)
    assert found.skewness == pytest.approx(scipy.stats.skew(wins))
    assert found.share_of_ten == pytest.approx(sum(sorted(wins)[-10:]) / sum(wins))
    assert found.never == pytest.approx(sum(one == 0 for one in wins) / 50)


def test_a_perfect_decoder_has_no_hub_and_one_item_can_win_all():
    assert hubs_of(np.ones(100, dtype=int)) == (0.1, 0.0, 0.0)
    one = hubs_of(np.array([60] + [0] * 59))
    assert (one.share_of_ten, one.never) == (1.0, 59 / 60)
    assert one.skewness > 7


def test_hubs_of_a_fair_decoder_are_those_of_the_poisson_distribution():
    found = fair_hubs(1000, 1000, np.random.default_rng(0))
    assert found.never == pytest.approx(np.exp(-1), abs=0.005)
    assert found.skewness == pytest.approx(1, abs=0.1)
    hubs = hubs_of(win_counts(torch.randn(1000, 3) @ torch.randn(3, 1000)))
    assert hubs.share_of_ten > 2 * found.share_of_ten

from itertools import product

import numpy as np
import pytest
import scipy.stats

from mindeye.metrics.permutation import (
    permuted_blocks,
    sign_flip_floor,
    sign_flip_null,
    sign_flip_p,
)
from mindeye.metrics.statistics import permutation_null, permutation_p

RUNS = np.repeat(np.arange(12), 5)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drifting(seed: int) -> np.ndarray:
    """Trials of a run have much in common, those of other runs nothing."""
    return rng(seed).normal(size=12)[RUNS] + 0.5 * rng(seed + 10_000).normal(size=60)


def p_values(null_of) -> np.ndarray:
    """Of decoded and shown trials that have nothing to do with each other."""
    found = []
    for seed in range(200):
        decoded, shown = drifting(seed), drifting(seed + 1000)
        null = null_of(lambda partner, a=decoded, b=shown: float(a @ b[partner]), rng(seed + 5000))
        found.append(permutation_p(decoded @ shown, null))
    return np.array(found)


def test_exchanged_runs_give_uniform_p_values_where_trials_of_a_run_are_alike():
    found = p_values(
        lambda score, generator: np.array(
            [score(permuted_blocks(RUNS, generator)) for _ in range(99)]
        )
    )
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01


def test_exchanged_trials_find_there_what_is_not_there():
    found = p_values(
        lambda score, generator: permutation_null(score, 60, generator, permutations=99)
    )
    assert (found <= 0.05).mean() > 0.15


def test_blocks_keep_their_inner_order_and_every_order_occurs():
    blocks = np.array([7, 7, 7, 2, 2, 9])
    orders = set()
    generator = rng()
    for _ in range(200):
        partner = permuted_blocks(blocks, generator)
        assert sorted(partner) == list(range(6))
        text = "".join(str(one) for one in partner)
        assert "012" in text
        assert "34" in text
        orders.add(text)
    assert len(orders) == 6


def test_blocks_of_equal_length_are_exchanged_one_for_one():
    partner = permuted_blocks(RUNS, rng())
    np.testing.assert_array_equal(RUNS[partner].reshape(12, 5).std(1), 0)


@pytest.mark.parametrize(
    ("blocks", "text"),
    [([3, 3, 4, 3], "2 blocks stand in 3 pieces"), ([5, 5, 5], "3 trials of one block")],
)
def test_what_is_no_order_of_runs_is_refused(blocks, text):
    with pytest.raises(ValueError, match=text):
        permuted_blocks(np.array(blocks), rng())


def test_flipped_signs_are_those_of_a_slow_loop():
    values = rng().normal(0.4, size=7)
    slow = [abs(np.dot(signs, values)) for signs in product((1, -1), repeat=7)]
    expected = np.mean([one >= abs(values.sum()) - 1e-12 for one in slow])
    assert sign_flip_p(values) == pytest.approx(expected)
    drawn = sign_flip_null(values[:, None], rng(1), permutations=20_000)[:, 0]
    assert permutation_p(abs(values.mean()), np.abs(drawn)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("subjects", "floor"), [(4, 0.125), (8, 0.0078125), (1, 1.0)])
def test_so_few_subjects_cannot_give_a_smaller_p(subjects, floor):
    assert sign_flip_floor(subjects) == floor
    assert sign_flip_p(rng().uniform(0.1, 5, size=subjects)) == floor


def test_all_columns_have_the_same_signs_and_blocks_do_not_change_them(monkeypatch):
    values = rng().normal(size=(30, 2))
    both = np.concatenate([values, values.sum(1, keepdims=True)], axis=1)
    null = sign_flip_null(both, rng(1), permutations=64)
    np.testing.assert_allclose(null[:, 0] + null[:, 1], null[:, 2])
    monkeypatch.setattr("mindeye.metrics.permutation.SIGN_BLOCK", 30 * 16)
    np.testing.assert_allclose(sign_flip_null(both, rng(1), permutations=64), null)


def test_flipped_signs_give_uniform_p_values_where_systems_are_alike():
    differences = rng().standard_t(3, size=(60, 300))
    null = sign_flip_null(differences, rng(1), permutations=999)
    found = [permutation_p(one, null[:, at]) for at, one in enumerate(differences.mean(0))]
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01


def test_too_many_subjects_are_not_enumerated():
    with pytest.raises(ValueError, match="Signs of 17 subjects"):
        sign_flip_p(np.zeros(17))

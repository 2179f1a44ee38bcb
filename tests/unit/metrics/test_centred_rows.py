"""Products of centred rows without copies of all of them."""

import numpy as np
import pytest
import torch

from mindeye.metrics import centred_rows, identification
from mindeye.metrics.centred_rows import CentredRows, RawRows, centred_sides
from mindeye.metrics.feature_rows import as_rows
from mindeye.metrics.identification import (
    centred_products,
    correlation_matrix,
    two_way_wins,
    two_way_wins_of_permutation,
)


def rows(seed: int, mean: float) -> torch.Tensor:
    return torch.randn(30, 400, generator=torch.Generator().manual_seed(seed)) + mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_products_and_norms_are_those_of_centred_rows(dtype):
    drawn, seen = rows(1, mean=1.5).to(dtype), rows(2, mean=-1.5).to(dtype)
    sides = centred_sides(as_rows(drawn), as_rows(seen))
    assert isinstance(sides[1], RawRows)
    product, *norms = centred_products(*sides, slice(0, 30))
    apart = [
        one.double().numpy() - one.double().numpy().mean(1, keepdims=True) for one in (drawn, seen)
    ]
    np.testing.assert_allclose(product, apart[0] @ apart[1].T, atol=2e-3)
    for norm, one in zip(norms, apart, strict=True):
        np.testing.assert_allclose(norm, np.linalg.norm(one, axis=1), rtol=1e-6)


@pytest.mark.parametrize("side", [0, 1])
def test_both_sides_are_centred_where_a_mean_is_large_on_either(side):
    """Three standard deviations: single precision would lose a digit."""
    values = [rows(1, mean=0), rows(2, mean=0)]
    values[side][7] += 3
    assert isinstance(centred_sides(*map(as_rows, values))[1], CentredRows)
    values[side][7] -= 2
    assert isinstance(centred_sides(*map(as_rows, values))[1], RawRows)


def test_a_value_that_is_not_finite_is_refused_and_not_multiplied():
    drawn, seen = rows(1, mean=0), rows(2, mean=0)
    seen[3, 5] = torch.inf
    with pytest.raises(FloatingPointError, match=r"1 of 30 seen images hold NaN .*\[3\]"):
        two_way_wins(drawn, seen)


def test_the_rows_that_were_given_stay_as_they_are():
    drawn, seen = rows(1, mean=1), rows(2, mean=1)
    before = drawn.clone(), seen.clone()
    two_way_wins(drawn, seen)
    assert torch.equal(drawn, before[0])
    assert torch.equal(seen, before[1])


def test_rows_are_made_ready_once_for_all_that_are_multiplied_with_them(monkeypatch):
    made = []

    def counting(values):
        made.append(values.shape)
        return values

    monkeypatch.setattr(centred_rows, "ready_rows", counting)
    monkeypatch.setattr(identification, "CACHED_ROWS", 8)
    drawn, seen = rows(1, mean=0), rows(2, mean=0)
    expected = two_way_wins_of_permutation(correlation_matrix(drawn, seen), torch.arange(30))
    assert torch.equal(two_way_wins(drawn, seen), expected)
    assert made == [(30, 400)]
    monkeypatch.setattr(identification, "FEATURE_BLOCK", 100)
    assert torch.equal(two_way_wins(drawn, seen), expected)
    assert made[1:] == [(30, 100)] * 4

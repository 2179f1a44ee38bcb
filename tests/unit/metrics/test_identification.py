import gc

import numpy as np
import pytest
import torch

from mindeye.metrics import identification
from mindeye.metrics.feature_rows import MemoryRows
from mindeye.metrics.identification import (
    correlation_distance,
    correlation_matrix,
    two_way_identification,
    two_way_wins,
    two_way_wins_of_permutation,
)


def rows(images: int, features: int = 12, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, features, generator=generator)


def slow_wins(reconstructed: torch.Tensor, seen: torch.Tensor) -> np.ndarray:
    """One np.corrcoef a pair."""

    def likeness(i: int, j: int) -> float:
        return np.corrcoef(reconstructed[i].double(), seen[j].double())[0, 1]

    count = len(seen)
    return np.array(
        [
            np.mean([likeness(i, j) < likeness(i, i) for j in range(count) if j != i])
            for i in range(count)
        ]
    )


def test_wins_are_those_of_the_slow_definition():
    seen = rows(15)
    reconstructed = seen + 2 * rows(15, seed=1)
    np.testing.assert_array_equal(two_way_wins(reconstructed, seen), slow_wins(reconstructed, seen))


def test_a_perfect_reconstruction_wins_always_and_its_opposite_never():
    seen = rows(8)
    assert two_way_identification(seen, seen) == 1
    assert two_way_identification(-seen, seen) == 0


def test_unrelated_features_are_at_chance():
    share = two_way_identification(rows(300, seed=1), rows(300, seed=2))
    assert abs(share - 0.5) < 0.04


def test_ties_count_as_misses_whatever_the_rounding_of_a_matrix_product(monkeypatch):
    seen = rows(10, 301).repeat(2, 1)
    reconstructed = seen + 0.5 * rows(20, 301, seed=1)
    exact = identification.centred_products

    def rounded(*given):
        product, *norms = exact(*given)
        return product + 1e-4 * rows(20, 20, seed=2), *norms

    monkeypatch.setattr(identification, "centred_products", rounded)
    assert two_way_wins(reconstructed, seen).tolist() == [18 / 19] * 20


def test_pairs_compared_again_keep_no_pieces_of_memory_that_hold_the_large_ones_apart(monkeypatch):
    """3,000 pictures took 2.5 GB and more by such pieces, the more the more pairs are near."""
    exact, held = identification._paired_correlation, []

    def counting(first, second):
        held.append(sum(type(one) is torch.Tensor for one in gc.get_objects()))
        return exact(first, second)

    monkeypatch.setattr(identification, "_paired_correlation", counting)
    monkeypatch.setattr(identification, "PAIR_BLOCK", 24)
    values = MemoryRows(rows(4)), MemoryRows(rows(4, seed=1))
    row, other = torch.arange(4).repeat_interleave(4), torch.arange(4).repeat(4)
    wins = identification._wins_of_pairs(*values, row, other)
    assert len(held) == 16
    assert held[-1] == held[1]
    correlations = correlation_matrix(*(one.rows(torch.arange(4)) for one in values))
    assert torch.equal(wins.view(4, 4), correlations < correlations.diagonal().unsqueeze(1))


def test_images_that_are_all_the_same_are_never_identified():
    seen = rows(1).expand(5, -1)
    assert two_way_identification(rows(5, seed=1), seen) == 0


def test_wide_features_give_the_same_in_blocks(monkeypatch):
    reconstructed, seen = rows(6, 50, seed=1), rows(6, 50, seed=2)
    whole = correlation_matrix(reconstructed, seen)
    monkeypatch.setattr(identification, "FEATURE_BLOCK", 7)
    torch.testing.assert_close(correlation_matrix(reconstructed, seen), whole, atol=1e-6, rtol=0)
    expected = np.corrcoef(reconstructed, seen)[:6, 6:]
    np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_distance_is_one_minus_the_diagonal_and_ignores_scale_and_offset():
    reconstructed, seen = rows(6, seed=1), rows(6, seed=2)
    distance = correlation_distance(reconstructed, seen)
    expected = 1 - correlation_matrix(reconstructed, seen).diagonal()
    torch.testing.assert_close(distance, expected, atol=1e-6, rtol=0)
    moved = correlation_distance(3 * reconstructed + 5, seen)
    torch.testing.assert_close(moved, distance, atol=1e-5, rtol=0)


def test_the_permuted_wins_with_no_exchange_are_the_wins():
    seen = rows(10)
    reconstructed = seen + rows(10, seed=1)
    correlations = correlation_matrix(reconstructed, seen)
    unpermuted = two_way_wins_of_permutation(correlations, torch.arange(10))
    torch.testing.assert_close(unpermuted, two_way_wins(reconstructed, seen))
    shifted = two_way_wins_of_permutation(correlations, torch.arange(10).roll(1))
    torch.testing.assert_close(
        shifted, two_way_wins(reconstructed, seen.roll(-1, 0)[torch.arange(-2, 8) % 10])
    )


@pytest.mark.parametrize(
    ("reconstructed", "seen", "error", "text"),
    [
        (rows(1), rows(1), ValueError, "at least two images, not 1"),
        (rows(3), rows(4), ValueError, "3 reconstructions but 4 seen images"),
        (rows(3, 5), rows(3, 6), ValueError, r"shape \(5,\) but seen images \(6,\)"),
        (
            rows(3) * torch.nan,
            rows(3),
            FloatingPointError,
            "3 of 3 reconstructions hold NaN",
        ),
        (
            rows(3),
            torch.ones(3, 12) * 0.1,
            ValueError,
            "3 of 3 seen feature rows have no variance",
        ),
    ],
)
def test_what_cannot_be_identified_is_refused(reconstructed, seen, error, text):
    with pytest.raises(error, match=text):
        two_way_wins(reconstructed, seen)

import weakref

import numpy as np
import pytest
import torch

from mindeye.metrics import feature_rows, identification
from mindeye.metrics.feature_rows import KeptRows, MemoryRows, StoredRows
from mindeye.metrics.identification import two_way_wins


def rows(images: int, features: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(images, features, generator=torch.Generator().manual_seed(seed))


def stored(values: torch.Tensor) -> StoredRows:
    kept = StoredRows(*values.shape)
    for part in values.split(4):
        kept.append(part)
    return kept


def test_rows_in_a_file_are_read_as_rows_in_memory():
    values = rows(10)
    for one in (MemoryRows(values), stored(values)):
        assert one.shape == (10, 12)
        torch.testing.assert_close(one.means, values.mean(1, keepdim=True))
        assert torch.equal(one.block(slice(2, 5), slice(3, 9)), values[2:5, 3:9])
        assert torch.equal(one.block(slice(8, 99), slice(9, 99)), values[8:, 9:])
        assert torch.equal(one.rows(torch.tensor([7, 0, 7])), values[[7, 0, 7]])


def test_only_what_would_fill_the_memory_is_kept_in_a_file(monkeypatch):
    monkeypatch.setattr(feature_rows, "MEMORY_BYTES", 4 * 10 * 12)
    for num_images, kind in ((10, torch.Tensor), (11, StoredRows)):
        values, kept = rows(num_images), KeptRows(num_images)
        for part in values.split(3):
            kept.append(part)
        whole = kept.whole()
        assert isinstance(whole, kind)
        assert torch.equal(feature_rows.as_rows(whole).rows(torch.arange(num_images)), values)


def test_rows_are_kept_in_one_piece_of_memory_and_not_as_they_came():
    values, kept = rows(6), KeptRows(6)
    came = [part.clone() for part in values.split(2)]
    gone = [weakref.ref(part) for part in came]
    while came:
        kept.append(came.pop(0))
    assert all(one() is None for one in gone)
    assert torch.equal(kept.whole(), values)


@pytest.mark.parametrize("row_block", [3, 7, 100])
def test_wins_are_the_same_from_a_file_in_any_blocks(monkeypatch, row_block):
    seen = rows(20, 50)
    drawn = seen + 2 * rows(20, 50, seed=1)
    drawn[4], seen[9] = seen[5], seen[8]  # ties
    expected = [
        np.mean([slow(drawn[i], seen[j]) < slow(drawn[i], seen[i]) for j in range(20) if j != i])
        for i in range(20)
    ]
    monkeypatch.setattr(identification, "ROW_BLOCK", row_block)
    monkeypatch.setattr(identification, "CACHED_ROWS", row_block)
    for feature_block in (7, 50):
        monkeypatch.setattr(identification, "FEATURE_BLOCK", feature_block)
        for pair in ((drawn, seen), (stored(drawn), stored(seen))):
            np.testing.assert_allclose(two_way_wins(*pair), expected, rtol=0, atol=1e-12)


def slow(first: torch.Tensor, second: torch.Tensor) -> float:
    first, second = (one.double() - one.double().mean() for one in (first, second))
    return float((first * second).sum() / (first.norm() * second.norm()))


def test_unsound_rows_of_a_later_block_are_named_by_their_position(monkeypatch):
    monkeypatch.setattr(identification, "CACHED_ROWS", 3)
    seen = rows(8) + 1e4  # a high mean is no reason for refusal
    drawn = rows(8, seed=1)
    assert len(two_way_wins(stored(drawn), stored(seen))) == 8
    drawn[5] = 0.1
    with pytest.raises(ValueError, match=r"1 of 8 reconstructed feature rows .*\[5\]"):
        two_way_wins(stored(drawn), stored(seen))
    drawn[5], drawn[7, 2] = rows(1, seed=2)[0], torch.inf
    with pytest.raises(FloatingPointError, match=r"1 of 8 reconstructions hold NaN .*\[7\]"):
        two_way_wins(stored(drawn), stored(seen))

"""Rows that lie apart: the same numbers, and no other pages of the file."""

import mmap

import numpy as np
import pytest

from mindeye.retrieval.gallery import stored_rows
from mindeye.retrieval.gallery.stored_rows import float32_of, map_scattered, scattered_rows
from mindeye.verbs.benchmarks.page_cache import cached_share, make_cold


@pytest.fixture
def stored(tmp_path):
    """Vectors of 700 numbers: 1,400 bytes, across pages; 28 MB."""
    vectors = np.random.default_rng(0).standard_normal((20_000, 700)).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    return tmp_path / "vectors.npy", vectors


@pytest.mark.parametrize("can_advise", [True, False])
def test_rows_are_those_of_the_file_in_the_order_asked(stored, can_advise, monkeypatch):
    monkeypatch.setattr(stored_rows, "_CAN_ADVISE", can_advise)
    path, vectors = stored
    rows = np.array([19_999, 0, 7, 7, 12_345])
    found = scattered_rows(map_scattered(path), rows)
    assert type(found) is np.ndarray
    assert (found == vectors[rows]).all()
    found[:] = 0
    assert (np.load(path, mmap_mode="r")[7] == vectors[7]).all()


def test_an_empty_file_and_no_rows_are_nothing(stored, tmp_path):
    np.save(tmp_path / "none.npy", np.empty((0, 8), dtype=np.float16))
    nobody = np.array([], dtype=np.int64)
    assert scattered_rows(map_scattered(tmp_path / "none.npy"), nobody).shape == (0, 8)
    assert scattered_rows(map_scattered(stored[0]), nobody).shape == (0, 700)


def test_nothing_else_is_read(stored):
    path, vectors = stored
    try:
        make_cold(path)
    except OSError as error:
        pytest.skip(f"files of this disk cannot leave the memory: {error}")
    rows = np.arange(5, 20_000, 1_000)
    assert (scattered_rows(map_scattered(path), rows) == vectors[rows]).all()
    # Two pages at most each; the first page of the file holds the header.
    assert cached_share(path) <= (2 * len(rows) + 1) * mmap.PAGESIZE / path.stat().st_size
    make_cold(path)
    assert (np.load(path, mmap_mode="r")[rows] == vectors[rows]).all()
    assert cached_share(path) > 0.1


def test_halves_are_widened_exactly(stored):
    _, vectors = stored
    assert (float32_of(vectors[:100]) == vectors[:100].astype(np.float32)).all()

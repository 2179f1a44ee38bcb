"""Files of embeddings, good and bad; answers without near duplicates against a plain loop."""

import numpy as np
import pytest

from mindeye.retrieval.gallery.engine import Neighbours
from mindeye.retrieval.gallery.queries import distinct_neighbours, first_of_alike, read_queries

RNG = np.random.default_rng(0)


@pytest.fixture
def saved(tmp_path):
    def save(array, **how):
        np.save(tmp_path / "q.npy", array, **how)
        return tmp_path / "q.npy"

    return save


def test_vectors_are_brought_to_length_one_and_that_is_said(saved):
    vectors = RNG.normal(size=(3, 5))
    found = read_queries(saved(vectors), 5)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found.vectors * np.linalg.norm(vectors, axis=1)[:, None], vectors)
    assert "brought to length 1" in found.note
    unit = found.vectors.astype(np.float16)
    assert read_queries(saved(unit), 5).note is None
    assert read_queries(saved(unit[0]), 5).vectors.shape == (1, 5)
    assert "lengths from 0.1 to 0.1" in read_queries(saved(found.vectors / 10), 5).note


def test_only_the_first_are_taken_where_no_more_are_asked_for(saved):
    vectors = RNG.normal(size=(4, 5))
    path = saved(vectors)
    first, every = read_queries(path, 5, most=3).vectors, read_queries(path, 5).vectors
    assert (first == every[:3]).all()
    assert len(every) == 4


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.ones((2, 4)), ValueError, r"shape \(2, 4\), but the gallery's vectors have 5"),
        (np.ones((0, 5)), ValueError, r"shape \(0, 5\)"),
        (np.ones((1, 1, 5)), ValueError, r"shape \(1, 1, 5\)"),
        (np.ones((2, 5), int), ValueError, "int64, not embeddings"),
        (np.array([[1.0] * 5, [np.nan] * 5]), FloatingPointError, r"first at positions \[1\]"),
        (np.array([[1.0] * 5, [1.0, np.inf, 1, 1, 1]]), FloatingPointError, "1 of 2 vectors"),
        (np.array([[1.0] * 5, [0.0] * 5]), ValueError, "length zero at position 1"),
    ],
)
def test_a_file_that_cannot_be_searched_for_is_refused(array, error, message, saved):
    with pytest.raises(error, match=message):
        read_queries(saved(array), 5)


def test_pickles_and_other_files_are_never_opened(saved, tmp_path):
    with pytest.raises(ValueError, match="Pickled files are never opened"):
        read_queries(saved(np.array([{}], dtype=object), allow_pickle=True), 5)
    (tmp_path / "text.npy").write_text("hello")
    with pytest.raises(ValueError, match="cannot be read"):
        read_queries(tmp_path / "text.npy", 5)
    np.savez(tmp_path / "several.npz", a=np.ones(5))
    with pytest.raises(ValueError, match="several arrays"):
        read_queries(tmp_path / "several.npz", 5)
    with pytest.raises(FileNotFoundError):
        read_queries(tmp_path / "absent.npy", 5)


class Asked:
    """Exact search that remembers how many neighbours it was asked for."""

    about = "test"

    def __init__(self, vectors):
        self.vectors, self.asked = vectors, []

    def search(self, queries, k):
        self.asked.append(k)
        scores = queries @ self.vectors.T
        rows = np.argsort(-scores, axis=1)[:, :k]
        return Neighbours(np.take_along_axis(scores, rows, 1), rows)


def test_near_duplicates_are_answered_once_and_more_are_asked_for_in_their_place():
    base = RNG.normal(size=(12, 6))
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    vectors = np.repeat(base, 8, axis=0).astype(np.float32)
    index = Asked(vectors)
    query = RNG.normal(size=(1, 6)).astype(np.float32)
    (found,) = distinct_neighbours(
        index, query, 5, above=0.999, most=96, vectors=lambda rows: vectors[rows]
    )
    assert index.asked == [5, 20, 80]
    order = np.argsort(-(base @ query[0]))[:5]
    assert (np.sort(found.rows[0] // 8) == np.sort(order)).all()
    assert (np.diff(found.scores[0]) <= 0).all()
    (few,) = distinct_neighbours(
        index, query, 20, above=0.999, most=96, vectors=lambda rows: vectors[rows]
    )
    assert len(few.rows[0]) == 12
    # No more than there are, and not again.
    assert index.asked[3:] == [20, 80, 96]
    assert first_of_alike(vectors[:9], 0.999).tolist() == [0, 8]


def test_only_what_is_kept_stands_in_the_way_and_only_what_is_above():
    angles = np.deg2rad([0, 20, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    # The third is like the second, which is left out, and unlike the first.
    assert first_of_alike(vectors, float(np.cos(np.deg2rad(30)))).tolist() == [0, 2]
    assert first_of_alike(np.eye(2, dtype=np.float32)[[0, 0]], 1.0).tolist() == [0, 1]

"""Exact search against all cosines in NumPy."""

import numpy as np
import pytest

from mindeye.retrieval.gallery import exact
from mindeye.retrieval.gallery.exact import ExactIndex, shares_found


@pytest.mark.parametrize("at_once", [7, 16_384])
def test_exact_search_finds_the_highest_cosines_of_what_is_kept(gallery_of, monkeypatch, at_once):
    monkeypatch.setattr(exact, "BLOCK", at_once)
    gallery = gallery_of(counts=(30, 21, 40), kept={2: (0, 5, 6, 39)})
    queries = np.random.default_rng(1).standard_normal((7, gallery.width)).astype(np.float32)
    found = ExactIndex(gallery).search(queries, 9)

    rows = np.array([*range(51), *(51 + row for row in (0, 5, 6, 39))])
    cosines = queries @ gallery.vectors(rows).T
    order = np.argsort(-cosines, axis=1)[:, :9]
    assert (found.rows == rows[order]).all()
    np.testing.assert_allclose(found.scores, np.take_along_axis(cosines, order, 1), atol=1e-6)


def test_more_neighbours_than_vectors_are_refused(gallery_of):
    gallery = gallery_of(counts=(5,), kept={0: (0, 1)})
    query = np.zeros((1, gallery.width), dtype=np.float32)
    with pytest.raises(ValueError, match=r"3 neighbours .* has 2 vectors"):
        ExactIndex(gallery).search(query, 3)
    with pytest.raises(ValueError, match=r"0 neighbours .* Choose from 1 to 2"):
        ExactIndex(gallery).search(query, 0)
    assert set(ExactIndex(gallery).search(query, 2).rows[0]) == {0, 1}
    with pytest.raises(ValueError, match=r"have 31 numbers each, .* 32"):
        ExactIndex(gallery).search(query[:, :31], 1)


def test_vectors_that_are_not_finite_are_never_found(gallery_of):
    gallery = gallery_of(counts=(30,))
    path = gallery.path / "embeddings" / "0.npy"
    vectors = np.load(path)
    vectors[[4, 29]] = np.nan
    np.save(path, vectors)
    query = vectors[:1].astype(np.float32)
    found = ExactIndex(gallery).search(query, 28)
    assert set(found.rows[0]) == set(range(30)) - {4, 29}
    assert np.isfinite(found.scores).all()
    with pytest.raises(FloatingPointError, match="fewer than 29 finite vectors among its 30"):
        ExactIndex(gallery).search(query, 29)


def test_a_gallery_whose_filters_left_nothing_says_so(gallery_of):
    gallery = gallery_of(counts=(5,), kept={0: ()})
    with pytest.raises(ValueError, match="has no vector that can be found"):
        ExactIndex(gallery).search(np.zeros((1, gallery.width), dtype=np.float32), 1)


def test_equals_come_by_ascending_row_whatever_shards_hold_them(gallery_of):
    gallery = gallery_of(counts=(4, 5))
    for shard in gallery.shards:
        np.save(
            gallery.path / shard.embeddings,
            np.eye(shard.count, gallery.width)[[0] * shard.count].astype(np.float16),
        )
    query = np.eye(1, gallery.width, dtype=np.float32)
    assert ExactIndex(gallery).search(query, 9).rows.tolist() == [[*range(9)]]


def test_the_share_is_of_the_true_neighbours_among_however_many_were_found():
    true = np.array([[0, 1, 2, 3], [7, 5, 4, 9]])
    found = np.array([[3, 2, 1, 0, 8], [9, 8, 7, -1, 6]])
    assert shares_found(true, found).tolist() == [1, 0.5]

"""Exact search against all cosines in NumPy."""

from pathlib import Path

import numpy as np
import pytest

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery

WIDTH = 12


def made_up_gallery(folder, counts, kept=None):
    """Random unit vectors in shards; of the last, only the rows `kept`."""
    rng, shards, first = np.random.default_rng(0), [], 0
    for number, count in enumerate(counts):
        vectors = rng.standard_normal((count, WIDTH))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        (folder / "embeddings").mkdir(parents=True, exist_ok=True)
        np.save(folder / "embeddings" / f"{number}.npy", vectors.astype(np.float16))
        last = number == len(counts) - 1 and kept is not None
        if last:
            (folder / "kept").mkdir()
            np.save(folder / "kept" / f"{number}.npy", np.array(kept))
        shards.append(
            GalleryShard(
                name=str(number),
                first=first,
                count=count,
                num_kept=len(kept) if last else count,
                embeddings=Path(f"embeddings/{number}.npy"),
                kept=Path(f"kept/{number}.npy") if last else None,
                sha256="",
            )
        )
        first += count
    return write_gallery(folder, network="n", width=WIDTH, shards=shards, about={})


def test_exact_search_finds_the_highest_cosines_of_what_is_kept(tmp_path):
    gallery = made_up_gallery(tmp_path, (30, 21, 40), kept=(0, 5, 6, 39))
    queries = np.random.default_rng(1).standard_normal((7, WIDTH)).astype(np.float32)
    found = ExactIndex(gallery).search(queries, 9)

    rows = np.array([*range(51), *(51 + row for row in (0, 5, 6, 39))])
    cosines = queries @ gallery.vectors(rows).T
    order = np.argsort(-cosines, axis=1)[:, :9]
    assert (found.rows == rows[order]).all()
    np.testing.assert_allclose(found.scores, np.take_along_axis(cosines, order, 1), atol=1e-6)


def test_more_neighbours_than_vectors_are_refused(tmp_path):
    gallery = made_up_gallery(tmp_path, (5,), kept=(0, 1))
    query = np.zeros((1, WIDTH), dtype=np.float32)
    with pytest.raises(ValueError, match=r"3 neighbours .* has 2 vectors"):
        ExactIndex(gallery).search(query, 3)
    with pytest.raises(ValueError, match=r"have 11 numbers each, .* 12"):
        ExactIndex(gallery).search(query[:, :11], 1)


def test_vectors_that_are_not_finite_are_never_found(tmp_path):
    gallery = made_up_gallery(tmp_path, (30,))
    vectors = np.load(tmp_path / "embeddings" / "0.npy")
    vectors[[4, 29]] = np.nan
    np.save(tmp_path / "embeddings" / "0.npy", vectors)
    query = vectors[:1].astype(np.float32)
    found = ExactIndex(gallery).search(query, 28)
    assert set(found.rows[0]) == set(range(30)) - {4, 29}
    assert np.isfinite(found.scores).all()
    with pytest.raises(FloatingPointError, match="fewer than 29 finite vectors among its 30"):
        ExactIndex(gallery).search(query, 29)


def test_a_gallery_whose_filters_left_nothing_says_so(tmp_path):
    gallery = made_up_gallery(tmp_path, (5,), kept=())
    with pytest.raises(ValueError, match="has no vector that can be found"):
        ExactIndex(gallery).search(np.zeros((1, WIDTH), dtype=np.float32), 1)

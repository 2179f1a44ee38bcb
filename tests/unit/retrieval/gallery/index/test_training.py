"""What an index is trained on, and what depends on its seed."""

import dataclasses

import numpy as np
import pytest

from mindeye.retrieval.gallery.index.choice import choose_index
from mindeye.retrieval.gallery.index.inverted_file import trained
from mindeye.retrieval.gallery.index.training import sample_of


def rows_of(gallery, sample) -> np.ndarray:
    """Gallery rows of vectors; no two of a gallery are equal."""
    every = gallery.vectors(np.arange(gallery.num_rows))
    rows = (sample @ every.T).argmax(1)
    assert (every[rows] == sample).all()
    return rows


def test_each_shard_lends_its_share_of_rows_that_can_be_found_none_of_them_twice(gallery_of):
    gallery = gallery_of(counts=(400, 100), kept={0: range(0, 400, 2)})
    rows = rows_of(gallery, sample_of(gallery, 150, seed=3))
    assert (np.diff(rows) > 0).all()
    assert ((rows < 400).sum(), (rows >= 400).sum()) == (100, 50)
    assert (rows[rows < 400] % 2 == 0).all()
    assert (rows != rows_of(gallery, sample_of(gallery, 150, seed=4))).any()


def test_shards_lend_different_rows(gallery_of):
    gallery = gallery_of(counts=(200, 200))
    rows = rows_of(gallery, sample_of(gallery, 100, seed=0))
    assert (rows[:50] != rows[50:] - 200).any()


@pytest.mark.parametrize("kind", ["ivf-rabitq", "ivf-pq"])
def test_cells_and_rotation_depend_on_the_seed_and_on_nothing_else(clustered, kind):
    vectors = clustered.shard(0, 600).astype(np.float32)
    choice = choose_index(600, vectors.shape[1], recall=0.9, memory=8 * 10**9, kind=kind, lists=8)
    first, again, other = (
        trained(choice, vectors.copy(), seed=seed, precision="float32") for seed in (0, 0, 1)
    )
    assert (first.centroids == again.centroids).all()
    assert (first.centroids != other.centroids).any()
    assert (first.rotated(vectors) == again.rotated(vectors)).all()
    assert (first.rotated(vectors) != other.rotated(vectors)).any() == (kind == "ivf-rabitq")


def test_a_code_of_product_quantisation_has_a_byte_for_eight_numbers(clustered):
    vectors = clustered.shard(0, 600).astype(np.float32)
    for width, expected in ((32, 4), (20, 2), (7, 1)):
        choice = choose_index(600, width, recall=0.9, memory=8 * 10**9, kind="ivf-pq", lists=4)
        some = np.ascontiguousarray(vectors[:, :width])
        inverted = trained(choice, some, seed=0, precision="float32")
        assert inverted.code_bytes == expected


def test_another_seed_builds_another_index(gallery_of, build, chosen):
    gallery = gallery_of(num_shards=1)
    first = build(gallery)
    other = build(gallery, dataclasses.replace(chosen, seed=1, retrain=True))
    assert other.settings["seed"] == 1
    assert other.files["cells.faiss"] != first.files["cells.faiss"]

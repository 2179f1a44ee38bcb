"""Cells against NumPy and faiss."""

import numpy as np
import pytest
import torch

from mindeye.retrieval.gallery.index.coarse import nearest_cells, spherical_kmeans


@pytest.fixture
def vectors(clustered):
    return torch.from_numpy(clustered.shard(0, 5000).astype(np.float32))


def test_float32_finds_the_highest_product(vectors):
    cells = nearest_cells(vectors, vectors[:100], "float32")
    products = vectors.numpy() @ vectors[:100].numpy().T
    np.testing.assert_allclose(products[np.arange(5000), cells], products.max(1), atol=1e-6)


def test_bfloat16_loses_hardly_any_product(vectors):
    cells = nearest_cells(vectors, vectors[:100], "bfloat16")
    products = vectors.numpy() @ vectors[:100].numpy().T
    lost = products.max(1) - products[np.arange(5000), cells]
    assert (lost == 0).mean() > 0.95
    assert lost.max() < 0.01


def test_products_that_are_all_negative_are_compared_as_numbers():
    # Seen from the centroids' mean, one of them is above zero.
    far = torch.tensor([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    assert nearest_cells(torch.tensor([[-1.0, 0.0]]), far, "bfloat16").tolist() == [1]


def test_k_means_is_as_good_as_that_of_faiss(vectors):
    import faiss

    ours = spherical_kmeans(vectors, 40, seed=0, iterations=10, precision="bfloat16")
    theirs = faiss.Kmeans(vectors.shape[1], 40, niter=10, spherical=True, seed=1)
    theirs.train(vectors.numpy())
    fit = [(vectors.numpy() @ np.asarray(one).T).max(1).mean() for one in (ours, theirs.centroids)]
    assert fit[0] > fit[1] - 0.005
    np.testing.assert_allclose(ours.norm(dim=1), 1, atol=1e-5)


def test_a_cell_that_loses_all_vectors_begins_anew():
    one = torch.nn.functional.normalize(torch.randn(1, 8), dim=1)
    sample = torch.cat(
        [one.expand(50, 8), torch.nn.functional.normalize(torch.randn(50, 8), dim=1)]
    )
    found = spherical_kmeans(sample, 30, seed=0, iterations=3, precision="float32")
    assert torch.isfinite(found).all()
    np.testing.assert_allclose(found.norm(dim=1), 1, atol=1e-5)

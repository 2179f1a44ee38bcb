"""Made-up embeddings: what makes them hard to search, measured."""

import numpy as np
import pytest

from mindeye.simulate.clustered_vectors import BLOCK, ClusteredVectors

WIDTH, COUNT = 64, 6000
VECTORS = ClusteredVectors(width=WIDTH, num_clusters=50, seed=3)


@pytest.fixture(scope="module")
def drawn():
    return VECTORS.shard(0, COUNT).astype(np.float32)


def test_a_shard_is_the_same_alone_and_after_others_and_unlike_any_other(drawn):
    again = ClusteredVectors(width=WIDTH, num_clusters=50, seed=3)
    again.shard(5, 10)
    assert (again.shard(0, COUNT).astype(np.float32) == drawn).all()
    assert not (again.shard(1, COUNT).astype(np.float32) == drawn).all(axis=1).any()
    assert not (VECTORS.queries(COUNT).astype(np.float16) == drawn).all(axis=1).any()
    other = ClusteredVectors(width=WIDTH, num_clusters=50, seed=4).shard(0, COUNT)
    assert abs((other * drawn).sum(1)).mean() < 0.5


def test_the_vectors_are_unit_vectors_also_past_the_first_block():
    lengths = np.linalg.norm(VECTORS.shard(0, BLOCK + 7).astype(np.float64), axis=1)
    assert np.abs(lengths - 1).max() < 1e-3


def test_members_of_a_cluster_are_more_alike_than_others_and_clusters_differ_in_size(drawn):
    cluster = VECTORS.clusters(0, COUNT)
    cosines = drawn[:1000] @ drawn[:1000].T
    same = cluster[:1000, None] == cluster[None, :1000]
    apart = ~np.eye(1000, dtype=bool)
    assert cosines[same & apart].mean() > cosines[~same].mean() + 0.1
    sizes = np.bincount(cluster, minlength=50)
    assert sizes.max() > 5 * np.median(sizes)


def test_variances_fall_as_a_power_law_and_no_number_carries_them_alone(drawn):
    deviations = drawn - drawn.mean(0)
    variances = np.linalg.eigvalsh(deviations.T @ deviations)[::-1]
    slope = np.polyfit(np.log(np.arange(5, 50)), np.log(variances[4:49]), 1)[0]
    assert -1.5 < slope < -0.7
    assert 0.3 < np.linalg.norm(drawn.mean(0)) < 0.7
    assert deviations.var(0).max() < 4 * deviations.var(0).mean()

from itertools import combinations, permutations

import numpy as np
import pytest
import scipy.stats
import torch

from mindeye.metrics.statistics import permutation_p
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.rank_scores import (
    BRAIN_RETRIEVAL,
    DIRECTIONS,
    IMAGE_RETRIEVAL,
    label_nulls,
    rank_scores,
    rival_table,
)
from mindeye.retrieval.similarity import (
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
)


def similarity(num_images: int, noise: float = 1.0, seed: int = 0) -> torch.Tensor:
    images, other = torch.randn(2, num_images, 8, generator=torch.Generator().manual_seed(seed))
    return similarity_matrix(images + noise * other, images)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_table_holds_the_rivals_of_every_possible_owner():
    table, matrix = rival_table(similarity(12)), similarity(12)
    np.testing.assert_array_equal(table.diagonal(), image_retrieval_rivals(matrix))
    np.testing.assert_array_equal(rival_table(matrix.T).diagonal(), brain_retrieval_rivals(matrix))
    for row, column in ((0, 3), (7, 7), (11, 0)):
        own = matrix[row, column]
        assert table[row, column] == int((matrix[row] >= own - 1e-6).sum()) - 1


def test_items_that_are_alike_are_rivals():
    table = rival_table(torch.tensor([[0.5, 0.5, 0.1], [0.2, 0.2 + 5e-7, 0.2]]))
    np.testing.assert_array_equal(table, [[1, 1, 2], [2, 2, 2]])


def test_scores_of_a_tiny_pool_are_those_of_all_pools_by_hand():
    """Second witness: every pool of 3 of 5 items that holds the right one."""
    (top1, top2, reciprocal, median) = rank_scores(5, [3], tops=(1, 2))
    for rivals in range(5):
        others = [1] * rivals + [0] * (4 - rivals)
        pools = [sum(pool) for pool in combinations(others, 2)]
        assert top1.of_rivals[rivals] == pytest.approx(np.mean([one < 1 for one in pools]))
        assert top2.of_rivals[rivals] == pytest.approx(np.mean([one < 2 for one in pools]))
    np.testing.assert_allclose(reciprocal.of_rivals, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    np.testing.assert_array_equal(median.of_rivals, [1, 2, 3, 4, 5])


def test_chance_is_what_guessing_gives():
    scores = {one.name: one for one in rank_scores(20, [2, 10, 20])}
    assert scores["top-1 of 2"].chance == pytest.approx(1 / 2)
    assert scores["top-5 of 10"].chance == pytest.approx(5 / 10)
    assert scores["mean reciprocal rank of 20"].chance == pytest.approx(
        np.mean(1 / np.arange(1, 21))
    )
    assert scores["median rank of 20"].chance == 10.5
    assert "top-10 of 10" not in scores
    assert "top-10 of 20" in scores


def test_the_null_of_a_tiny_set_is_that_of_all_orders():
    """Second witness: all 120 permutations, scored by the functions of the plain scores."""
    matrix, scores = similarity(5), rank_scores(5, [2, 5], tops=(1,))
    expected = {direction: [] for direction in DIRECTIONS}
    for order in permutations(range(5)):
        relabelled = matrix[:, torch.tensor(order)]
        expected[IMAGE_RETRIEVAL].append(image_retrieval_rivals(relabelled))
        expected[BRAIN_RETRIEVAL].append(brain_retrieval_rivals(relabelled))
    found = label_nulls(matrix, scores, rng(), permutations=20_000)
    for direction, rivals in expected.items():
        for at, score in enumerate(scores):
            exact = [score.summed(score.of_rivals[one]) for one in rivals]
            values, counts = np.unique(np.round(exact, 9), return_counts=True)
            null, often = np.unique(np.round(found[direction][:, at], 9), return_counts=True)
            np.testing.assert_allclose(null, values)
            np.testing.assert_allclose(often / 20_000, counts / 120, atol=0.015)


def test_both_directions_are_relabelled_alike():
    """Second witness: the same permutations, drawn again, and the rivals counted anew."""
    matrix, scores, again = similarity(11), rank_scores(11, [4]), rng()
    null = label_nulls(matrix, scores, rng(), 5)
    for index in range(5):
        relabelled = matrix[:, torch.from_numpy(again.permutation(11))]
        for direction, rivals_of in zip(
            DIRECTIONS, (image_retrieval_rivals, brain_retrieval_rivals), strict=True
        ):
            expected = [one.summed(one.of_rivals[rivals_of(relabelled)]) for one in scores]
            np.testing.assert_allclose(null[direction][index], expected)


def test_p_values_of_unrelated_embeddings_are_uniform():
    scores, found = rank_scores(30, [10], tops=(1,)), []
    for seed in range(150):
        pair = torch.randn(2, 30, 6, generator=torch.Generator().manual_seed(seed))
        matrix = similarity_matrix(*pair)
        null = label_nulls(matrix, scores, np.random.default_rng(seed), 99)[BRAIN_RETRIEVAL]
        observed = pool_accuracy(brain_retrieval_rivals(matrix), 10).mean()
        found.append(permutation_p(observed, null[:, 0]))
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01


def test_a_pool_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="A pool of 6 cannot be drawn from 5"):
        rank_scores(5, [6])

"""Sessions against loops over single trials."""

import numpy as np
import pytest
import torch

from mindeye.analysis.sessions import (
    growing_counts,
    mean_of_images,
    ridge_by_sessions,
    session_scores,
)
from mindeye.data.shards import TrialTable
from mindeye.metrics.identification import two_way_wins
from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import fitted_ridge

IMAGE_IDS = np.array([3, 10, 11, 40, 41, 90])


def table_of(betas, image_ids, sessions):
    zeros = np.zeros(len(betas), dtype=np.int64)
    image_ids, sessions = np.asarray(image_ids), np.asarray(sessions)
    return TrialTable(betas.astype(np.float16), image_ids, zeros, sessions, zeros, zeros, zeros)


def test_scores_of_a_session_are_means_over_its_trials_of_each_image(identity):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 4)).astype(np.float32)
    shown, sessions = [10, 3, 10, 90, 41, 3, 11], [1, 1, 1, 1, 2, 2, 2]
    rows = np.searchsorted(IMAGE_IDS, shown)
    table = table_of(images[rows] + rng.normal(size=(7, 4)), shown, sessions)
    first, second = session_scores(identity, table, 1, IMAGE_IDS, torch.from_numpy(images))
    assert (first.session, first.num_trials, second.session, second.num_trials) == (1, 4, 2, 3)
    betas = table.betas.astype(np.float32)
    likeness = (betas / np.linalg.norm(betas, axis=1, keepdims=True)) @ (
        images / np.linalg.norm(images, axis=1, keepdims=True)
    ).T
    beaten = [np.mean(np.delete(likeness[t], r) < likeness[t, r]) for t, r in enumerate(rows)]
    found = [float(likeness[t].argmax() == r) for t, r in enumerate(rows)]
    # Image 10 was shown twice in the first session; images ascend.
    slow = [beaten[1], (beaten[0] + beaten[2]) / 2, beaten[3]]
    np.testing.assert_allclose(first.beaten, slow)
    np.testing.assert_allclose(first.found, [found[1], (found[0] + found[2]) / 2, found[3]])
    np.testing.assert_allclose(second.beaten, [beaten[5], beaten[6], beaten[4]])


@pytest.mark.parametrize(
    ("sessions", "counts"),
    [(1, [1]), (2, [1, 2]), (10, [1, 2, 5, 10]), (40, [1, 2, 5, 10, 20, 40])],
)
def test_counts_of_sessions_double(sessions, counts):
    assert growing_counts(sessions) == counts


def test_an_image_is_the_mean_of_its_trials():
    betas = np.array([[1, 2], [5, 6], [3, 4]], dtype=np.float16)
    ids, means = mean_of_images(betas, np.array([7, 2, 7]))
    assert ids.tolist() == [2, 7]
    np.testing.assert_array_equal(means, [[5, 6], [2, 3]])


def test_ridge_sees_only_the_first_sessions(batch_of):
    rng = np.random.default_rng(1)
    tokens = rng.normal(size=(60, 1, 4)).astype(np.float16)
    targets = TargetTable(
        image_ids=np.arange(60), tokens_array=tokens, latents_array=np.zeros((60, 1, 1, 1))
    )
    mixing = rng.normal(size=(4, 8))
    betas = (tokens[:, 0] @ mixing + rng.normal(size=(60, 8))).astype(np.float16)
    test = batch_of(betas[40:, None].astype(np.float32), image_ids=np.arange(40, 60))
    table = table_of(betas[:40], np.arange(40), np.repeat([2, 5, 6, 9], 10))
    calls = []
    found = list(ridge_by_sessions(table, test, targets, lambda *done: calls.append(done)))
    assert [(count, images) for count, images, _ in found] == [(1, 10), (2, 20), (4, 40)]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    ridge = fitted_ridge(betas[:20].astype(np.float32), tokens[:20, 0].astype(np.float32))
    predicted = torch.from_numpy(ridge.predict(betas[40:].astype(np.float32))).float()
    slow = two_way_wins(predicted, torch.from_numpy(tokens[40:, 0]).float())
    np.testing.assert_allclose(found[1][2], slow.numpy())

"""Scores of regions against a slow definition: sklearn's ridge and correlations pair by pair."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from mindeye.analysis.regions_alone import region_scores
from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.types import RepeatBatch

TRAIN, TEST, VOXELS = 60, 12, 20
MASKS = {
    "informed": np.arange(VOXELS) < 6,
    "noise": (np.arange(VOXELS) >= 6) & (np.arange(VOXELS) < 12),
    "large": np.arange(VOXELS) >= 10,
}


@pytest.fixture
def targets():
    rng = np.random.default_rng(1)
    return TargetTable(
        image_ids=np.arange(TRAIN + TEST),
        tokens_array=rng.normal(size=(TRAIN + TEST, 2, 6)).astype(np.float16),
        latents_array=rng.normal(size=(TRAIN + TEST, 1, 2, 3)).astype(np.float16),
    )


@pytest.fixture
def scans(targets):
    """Six voxels tell the CLS token, the others nothing."""
    rng = np.random.default_rng(2)
    betas = rng.normal(size=(TRAIN + TEST, 3, VOXELS))
    betas[:, :, :6] = 8 * targets.tokens_array[:, :1] + betas[:, :, :6]

    def part(rows):
        return RepeatBatch(
            subject=1,
            betas=torch.from_numpy(betas[rows]).float(),
            present=torch.ones(len(betas[rows]), 3, dtype=torch.bool),
            image_ids=torch.from_numpy(targets.image_ids[rows]),
        )

    return part(slice(0, TRAIN)), part(slice(TRAIN, None))


def slow_wins(predicted, seen):
    wins = np.zeros(len(seen))
    for row, guess in enumerate(predicted):
        own = np.corrcoef(guess, seen[row])[0, 1]
        others = [one for one in range(len(seen)) if one != row]
        wins[row] = np.mean([own > np.corrcoef(guess, seen[one])[0, 1] for one in others])
    return wins


def test_the_smallest_regions_scores_are_those_of_the_slow_definition(scans, targets):
    train, test = scans
    found = {one.roi: one for one in region_scores(train, test, targets, MASKS, seed=0)}
    scan, unseen = train.mean().numpy(), test.mean().numpy()
    cls = targets.tokens_array[:, 0].astype(np.float32)
    latents = targets.latents_array.reshape(TRAIN + TEST, -1).astype(np.float32)
    for roi in ("informed", "noise"):
        columns = np.flatnonzero(MASKS[roi])
        for wanted, score in ((cls, found[roi].meaning), (latents, found[roi].look)):
            # How the penalty is chosen has its own test.
            alpha = fitted_ridge(scan[:, columns], wanted[:TRAIN]).alpha
            ridge = Ridge(alpha=alpha).fit(scan[:, columns], wanted[:TRAIN])
            predicted = ridge.predict(unseen[:, columns])
            np.testing.assert_allclose(score, slow_wins(predicted, wanted[TRAIN:]))


def test_the_region_that_carries_the_signal_wins_and_the_others_are_at_chance(scans, targets):
    scores = {one.roi: one for one in region_scores(*scans, targets, MASKS, seed=0)}
    assert scores["informed"].meaning.mean() > 0.9
    for value in (scores["noise"].meaning, scores["large"].meaning, scores["informed"].look):
        assert 0.2 < value.mean() < 0.8


def test_every_region_has_as_many_voxels_as_the_smallest(scans, targets):
    scores = region_scores(*scans, targets, MASKS, seed=0)
    assert [one.roi for one in scores] == list(MASKS)
    assert {one.num_voxels for one in scores} == {6}
    assert [one.available for one in scores] == [6, 6, 10]


def test_the_seed_draws_the_voxels_of_a_larger_region(scans, targets):
    def large(seed):
        return region_scores(*scans, targets, MASKS, seed=seed)[2].meaning.tolist()

    assert large(0) == large(0)
    assert any(large(seed) != large(0) for seed in range(1, 5))

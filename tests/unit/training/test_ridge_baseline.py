"""The baseline against ridge regression written out, with penalties tried one by one."""

import numpy as np
import pytest
import torch

from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import ALPHAS, fitted_ridge, ridge_decoded
from mindeye.types import RepeatBatch

IMAGES, VOXELS = 14, 6


def closed_form(scan, outputs, alpha, unseen):
    """Centred normal equations; the intercept is not penalised."""
    mean, level = scan.mean(0), outputs.mean(0)
    centred = scan - mean
    gram = centred.T @ centred + alpha * np.eye(scan.shape[1])
    return (unseen - mean) @ np.linalg.solve(gram, centred.T @ (outputs - level)) + level


def leave_one_out_error(scan, outputs, alpha):
    errors = []
    for row in range(len(scan)):
        rest = np.arange(len(scan)) != row
        guess = closed_form(scan[rest], outputs[rest], alpha, scan[row : row + 1])
        errors.append((guess[0] - outputs[row]) ** 2)
    return np.mean(errors)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def targets(rng):
    return TargetTable(
        image_ids=np.arange(100, 100 + 2 * IMAGES),
        tokens_array=rng.normal(size=(2 * IMAGES, 3, 4)).astype(np.float16),
        latents_array=(5 * rng.normal(size=(2 * IMAGES, 2, 2, 2))).astype(np.float16),
    )


def scans_of(targets, first, noise, rng):
    """Betas linear in the targets; the second repeat of the first image is absent."""
    ids = targets.image_ids[first : first + IMAGES]
    flat = targets.tokens_array[first : first + IMAGES].reshape(IMAGES, -1)[:, :VOXELS]
    betas = 4 * flat[:, None] + noise * rng.normal(size=(IMAGES, 2, VOXELS))
    present = np.ones((IMAGES, 2), dtype=bool)
    present[0, 1] = False
    betas[0, 1] = 0
    return RepeatBatch(
        subject=1,
        betas=torch.from_numpy(betas).float(),
        present=torch.from_numpy(present),
        image_ids=torch.from_numpy(ids),
    )


@pytest.mark.parametrize("noise", [0.3, 3.0, 30.0])
def test_the_penalty_is_the_one_of_least_leave_one_out_error(noise, rng):
    scan = rng.normal(size=(IMAGES, VOXELS)) * 3 + 1
    outputs = scan @ rng.normal(size=(VOXELS, 5)) + noise * rng.normal(size=(IMAGES, 5)) + 2
    errors = [leave_one_out_error(scan, outputs, alpha) for alpha in ALPHAS]
    ridge = fitted_ridge(scan, outputs)
    assert ridge.alpha == ALPHAS[int(np.argmin(errors))]
    unseen = rng.normal(size=(4, VOXELS))
    expected = closed_form(scan, outputs, ridge.alpha, unseen)
    np.testing.assert_allclose(ridge.predict(unseen), expected, rtol=1e-8)


def test_decoded_tokens_and_latents_are_those_of_the_written_out_regression(targets, rng):
    train, test = scans_of(targets, 0, 0.5, rng), scans_of(targets, IMAGES, 0.5, rng)
    decoded = ridge_decoded(train, test, targets)
    tokens, latents = targets.tokens(train.image_ids), targets.latents(train.image_ids)
    wanted = torch.cat([tokens.flatten(1), latents.flatten(1)], 1).numpy().astype(np.float64)
    scale = wanted.std(0, ddof=1)
    scan, unseen = (one.mean().numpy().astype(np.float64) for one in (train, test))
    errors = [leave_one_out_error(scan, wanted / scale, alpha) for alpha in ALPHAS]
    alpha = ALPHAS[int(np.argmin(errors))]
    expected = closed_form(scan, wanted / scale, alpha, unseen) * scale
    np.testing.assert_allclose(decoded.brain_tokens.flatten(1), expected[:, :12], atol=1e-4)
    np.testing.assert_allclose(decoded.latents.flatten(1), expected[:, 12:], atol=1e-4)
    assert decoded.brain_tokens.shape == (IMAGES, 3, 4)
    assert decoded.latents.shape == (IMAGES, 2, 2, 2)
    assert decoded.image_ids.tolist() == test.image_ids.tolist()
    assert decoded.image_tokens is None


def test_embeddings_are_the_predicted_tokens_at_length_one(targets, rng):
    train, test = scans_of(targets, 0, 0.5, rng), scans_of(targets, IMAGES, 0.5, rng)
    decoded = ridge_decoded(train, test, targets)
    flat = decoded.brain_tokens.flatten(1)
    torch.testing.assert_close(decoded.embeddings, flat / flat.norm(dim=1, keepdim=True))


def test_the_test_targets_are_never_looked_at(targets, rng):
    train, test = scans_of(targets, 0, 0.5, rng), scans_of(targets, IMAGES, 0.5, rng)
    before = ridge_decoded(train, test, targets)
    targets.tokens_array[IMAGES:] = 0
    targets.latents_array[IMAGES:] = 0
    after = ridge_decoded(train, test, targets)
    assert torch.equal(before.brain_tokens, after.brain_tokens)


def test_an_output_that_never_changes_is_predicted_as_it_is(targets, rng):
    targets.tokens_array[:, 0, 0] = 0.25
    train, test = scans_of(targets, 0, 0.5, rng), scans_of(targets, IMAGES, 0.5, rng)
    decoded = ridge_decoded(train, test, targets)
    np.testing.assert_allclose(decoded.brain_tokens[:, 0, 0], 0.25, atol=1e-5)

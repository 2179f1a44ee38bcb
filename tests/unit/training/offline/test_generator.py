import numpy as np
import torch

from mindeye.training.offline.generator import (
    DROP_TOKENS,
    NOISY_TOKENS,
    TOKEN_NOISE,
    blur_tokens,
    token_statistics,
    training_times,
)


def test_statistics_are_those_of_numpy_over_images():
    tokens = np.random.default_rng(0).normal(3, 2, (50, 5, 4)).astype(np.float16)
    mean, std = token_statistics(tokens)
    np.testing.assert_allclose(mean, tokens.astype(np.float64).mean(0), rtol=1e-5)
    np.testing.assert_allclose(std, tokens.astype(np.float64).std(0, ddof=1), rtol=1e-5)


def test_a_token_that_never_changes_does_not_divide_by_zero():
    mean, std = token_statistics(np.ones((9, 5, 4), np.float16))
    assert (std > 0).all()
    assert (mean == 1).all()


def test_strong_noise_is_trained_more_often_in_proportion_to_the_time():
    times = training_times(100_000, torch.Generator().manual_seed(0))
    assert times.min() >= 0
    assert times.max() <= 999
    # A density of 2 t on (0, 1): half of the times lie above the root of one half.
    assert abs((times >= 707).double().mean() - 0.5) < 0.01
    assert abs((times < 100).double().mean() - 0.01) < 0.002


def test_some_tokens_are_silenced_half_are_noisy_and_the_rest_untouched():
    tokens = torch.ones(20_000, 5, 4)
    seen = blur_tokens(tokens, torch.Generator().manual_seed(0)).flatten(1)
    silent = (seen == 0).all(1)
    untouched = (seen == 1).all(1)
    assert abs(silent.double().mean() - DROP_TOKENS) < 0.01
    expected = (1 - DROP_TOKENS) * (1 - NOISY_TOKENS)
    assert abs(untouched.double().mean() - expected) < 0.01
    noise = (seen - 1)[~silent & ~untouched]
    # The level is uniform up to TOKEN_NOISE: its mean square is a third of the largest.
    assert abs(noise.square().mean() / (TOKEN_NOISE**2 / 3) - 1) < 0.05
    assert (tokens == 1).all()

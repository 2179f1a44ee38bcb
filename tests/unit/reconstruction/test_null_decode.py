from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mindeye.reconstruction.decoder_run import open_decoder
from mindeye.reconstruction.null_decode import (
    NullComparison,
    embedding_spread,
    null_comparison,
    voxel_orders,
)


@pytest.fixture
def run(trained_run):
    return open_decoder(trained_run)


def test_the_spread_is_the_mean_distance_over_pairs(run, session):
    with torch.inference_mode():
        embeddings = run.decoder(torch.from_numpy(session[:5]), 1).embeddings
    pairs = [1 - float(embeddings[0] @ embeddings[other]) for other in range(1, 5)]
    assert embedding_spread(run.decoder, 1, session[:5])[0] == pytest.approx(
        np.mean(pairs), abs=1e-6
    )


@pytest.fixture
def decoder_of_pattern(run, monkeypatch):
    """A decoder that answers to one pattern over the voxels and is still otherwise."""
    pattern = np.random.default_rng(5).normal(size=20)
    pattern /= np.linalg.norm(pattern)

    def forward(betas: torch.Tensor, subject: int) -> SimpleNamespace:
        answer = betas @ torch.tensor(pattern, dtype=torch.float32)
        vectors = torch.stack([answer, torch.full_like(answer, 3)], dim=1)
        return SimpleNamespace(embeddings=torch.nn.functional.normalize(vectors))

    monkeypatch.setattr(run.decoder, "forward", forward)
    return run.decoder, pattern


def test_a_scan_that_the_decoder_answers_to_stands_out_and_a_shuffled_one_does_not(
    decoder_of_pattern,
):
    decoder, pattern = decoder_of_pattern
    signal = 3 * np.random.default_rng(0).normal(size=(60, 1)) * pattern
    betas = signal.astype(np.float32)
    true = null_comparison(decoder, 1, betas, seed=0)
    order = np.random.default_rng(7).permutation(betas.shape[1])
    shuffled = null_comparison(decoder, 1, betas[:, order], seed=0)
    assert true.is_clear
    assert true.distance > 2
    assert true.num_trials == 50
    assert not shuffled.is_clear
    assert "NOT stand out" in shuffled.sentence
    assert "do not believe these" in shuffled.sentence
    assert "NOT" not in true.sentence


def test_shuffles_keep_the_values_of_a_trial_and_the_first_does_not_depend_on_their_number():
    orders = voxel_orders(50, seed=3, shuffles=4)
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(orders[0], voxel_orders(50, seed=3, shuffles=1)[0])


def test_one_trial_alone_is_not_judged(run, session):
    assert null_comparison(run.decoder, 1, session[:1], seed=0) is None


def test_only_a_scan_beyond_all_its_shuffles_is_clear():
    null = tuple(np.linspace(0.4, 0.5, 99))
    clear = NullComparison(spread_of_trials=np.array([0.51, 0.52]), null=null)
    within = NullComparison(spread_of_trials=np.array([0.499, 0.499]), null=null)
    assert (clear.p_value, clear.is_clear) == (0.01, True)
    assert (within.p_value, within.is_clear) == (0.02, False)
    assert clear.distance == pytest.approx((0.515 - 0.45) / np.std(null, ddof=1))
    assert "so few trials can hardly tell: decode more" in within.sentence
    many = NullComparison(spread_of_trials=np.full(10, 0.499), null=null)
    assert many.sentence.endswith("do not believe these.")

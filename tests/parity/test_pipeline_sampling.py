"""`mindeye reconstruct --compat` samples as published; float32, CPU, small widths."""

from dataclasses import replace

import pytest
import torch

from mindeye.models.published import decoder_from_mindeye1, decoder_from_mindeye2
from mindeye.reconstruction.candidate_noise import candidate_generators, noises
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import published_settings
from mindeye.verbs.benchmarks.plain_step import PlainWays, plain_denoised

SETTINGS = {
    "me1": published_settings("mindeye1"),
    "me2": replace(published_settings("mindeye2"), quirks=("late_start_ddim",)),
}


BRAIN = {"me1": "me1.backbone_tokens", "me2": "me2.s2.backbone_tokens"}


@pytest.fixture(scope="module")
def priors(weights_of):
    decoders = {
        "me1": decoder_from_mindeye1(weights_of("mindeye1")),
        "me2": decoder_from_mindeye2(weights_of("mindeye2"), subjects=(1, 2)),
    }
    return {name: one.prior.requires_grad_(False) for name, one in decoders.items()}


@pytest.mark.parametrize(
    ("family", "given", "sampled"),
    [
        ("me1", "sample_noises", "sampled"),
        ("me2", "ddim20_noises", "ddim20_sampled"),
    ],
)
def test_the_published_settings_end_at_the_published_tokens(
    family, given, sampled, priors, numbers
):
    brain = numbers[BRAIN[family]][:1]
    tokens = prior_sampler(priors[family], SETTINGS[family])(
        brain, iter(numbers[f"{family}.prior.{given}"])
    )
    published = numbers[f"{family}.prior.{sampled}"]
    assert (tokens - published).abs().max() <= 1e-4 * published.abs().max()


@pytest.mark.parametrize(("family", "drawn"), [("me1", 100), ("me2", 19)])
def test_each_candidate_samples_with_its_own_noise_whatever_stands_beside_it(
    family, drawn, priors, numbers
):
    brain = numbers[BRAIN[family]][:2]
    shape, sample = tuple(brain.shape[1:]), prior_sampler(priors[family], SETTINGS[family])
    ids, candidates = [7, 72_999], 2
    own = noises(candidate_generators(0, ids, candidates), shape)
    together = sample(brain.repeat_interleave(candidates, dim=0), own)
    for row, generator in enumerate(candidate_generators(0, ids, candidates)):
        alone = [torch.randn(1, *shape, generator=generator) for _ in range(drawn)]
        expected = priors[family].sample(
            brain[row // candidates][None],
            sampler="ddpm" if family == "me1" else "mindeye2-ddim",
            steps=SETTINGS[family].prior_steps,
            noises=alone,
        )
        difference = (together[row] - expected[0]).abs().max()
        # Random weights make the last bits of another batch grow step by step.
        assert difference <= 1e-3 * expected.abs().max()


def test_the_benchmarks_plain_network_predicts_the_published_tokens(priors, numbers):
    noisy, times = numbers["me1.prior.noisy"], numbers["me1.prior.times"]
    brain = numbers["me1.backbone_tokens"]
    predicted = plain_denoised(priors["me1"], noisy, times, brain, PlainWays())
    published = numbers["me1.prior.predicted"]
    assert (predicted - published).abs().max() <= 1e-5 * published.abs().max()

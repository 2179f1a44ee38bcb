"""MindEye2's published numbers: float32, CPU; 1e-5 of the largest value, sampling loops 1e-4."""

import re

import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.models.published import decoder_from_mindeye2, to_mindeye2


def assert_agrees(ours: torch.Tensor, published: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert ours.shape == published.shape
    assert (ours - published).abs().max() <= tolerance * published.abs().max()


@pytest.fixture(scope="module", params=[False, True], ids=["idle mixer folded", "idle mixer kept"])
def decoder(request, weights_of) -> Decoder:
    return decoder_from_mindeye2(
        weights_of("mindeye2"), subjects=(1, 2), keep_idle_mixer=request.param
    ).requires_grad_(False)


@pytest.mark.parametrize("subject", [1, 2])
def test_every_output_is_the_published_one(decoder, numbers, subject):
    betas = numbers[f"me2.s{subject}.voxels"]
    assert_agrees(decoder.ridge(betas, subject), numbers[f"me2.s{subject}.latent"])
    output = decoder(betas, subject=subject)
    for ours, published in {
        "brain_tokens": "backbone_tokens",
        "retrieval_tokens": "projected_tokens",
        "low_level_latents": "blurry_latents",
        "low_level_maps": "blurry_maps",
    }.items():
        assert_agrees(getattr(output, ours), numbers[f"me2.s{subject}.{published}"])


def test_the_prior_predicts_the_published_tokens(decoder, numbers):
    noisy, times = numbers["me2.prior.noisy"], numbers["me2.prior.times"]
    predicted = decoder.prior.denoise(noisy, times, numbers["me2.s2.backbone_tokens"])
    assert_agrees(predicted, numbers["me2.prior.predicted"])


def test_the_published_sampler_of_19_evaluations_ends_at_the_published_tokens(decoder, numbers):
    noises = numbers["me2.prior.ddim20_noises"]
    assert len(noises) == 19
    brain = numbers["me2.s2.backbone_tokens"][:1]
    tokens = decoder.prior.sample(brain, sampler="mindeye2-ddim", steps=20, noises=noises)
    assert_agrees(tokens, numbers["me2.prior.ddim20_sampled"], 1e-4)


def test_the_checkpoint_comes_back_to_the_bit_but_for_weights_that_do_nothing(decoder, weights_of):
    written = to_mindeye2(decoder)
    published = weights_of("mindeye2")
    buffers = {key for key in written if "noise_scheduler" in key or "rotary" in key}
    assert written.keys() - buffers == published.keys()
    kept = decoder.config.backbone.keep_idle
    for key, value in published.items():
        assert written[key].shape == value.shape
        is_idle = re.search(r"mixer_blocks(1\.|2\.\d+\.0\.weight)", key)
        if kept or not is_idle:
            torch.testing.assert_close(written[key], value, rtol=0, atol=0)
        else:
            assert not written[key].any()


def test_what_was_written_gives_the_same_outputs_again(decoder, numbers):
    again = decoder_from_mindeye2(to_mindeye2(decoder), subjects=(1, 2))
    betas = numbers["me2.s2.voxels"]
    torch.testing.assert_close(again(betas, 2), decoder(betas, 2), rtol=0, atol=0)


def test_the_mixer_as_published_is_the_number_that_is_added(weights_of, numbers):
    """The published block, written out: mix features, then a sequence of length one."""
    state = weights_of("mindeye2")
    functional = torch.nn.functional

    def mixed(tokens: torch.Tensor, block: str) -> torch.Tensor:
        get = {name: state[f"backbone.{block}.{name}"] for name in ("0.weight", "0.bias")}
        tokens = functional.layer_norm(
            tokens, tokens.shape[-1:], get["0.weight"], get["0.bias"], eps=1e-5
        )
        for layer in ("1.0", "1.3"):
            tokens = functional.linear(
                tokens, *(state[f"backbone.{block}.{layer}.{kind}"] for kind in ("weight", "bias"))
            )
            tokens = functional.gelu(tokens) if layer == "1.0" else tokens
        return tokens

    latent = numbers["me2.s1.latent"]
    tokens = latent.unsqueeze(1)
    of_features, of_sequence = tokens, tokens.transpose(1, 2)
    for block in range(4):
        of_features = mixed(tokens, f"mixer_blocks1.{block}") + of_features
        of_sequence = mixed(of_features.transpose(1, 2), f"mixer_blocks2.{block}") + of_sequence
        tokens = of_features = of_sequence.transpose(1, 2)
    decoder = decoder_from_mindeye2(state, subjects=(1, 2)).requires_grad_(False)
    torch.testing.assert_close(decoder.backbone(latent), tokens.squeeze(1), rtol=1e-5, atol=1e-6)
    assert decoder.backbone.bias.abs() > 0.1

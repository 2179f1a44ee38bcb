"""MindEye1's published numbers: float32, CPU; 1e-5 of the largest value, sampling loops 1e-4."""

import pytest
import torch

from mindeye.models.decoder import Decoder
from mindeye.models.published import decoder_from_mindeye1, to_mindeye1


def assert_agrees(ours: torch.Tensor, published: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert ours.shape == published.shape
    assert (ours - published).abs().max() <= tolerance * published.abs().max()


@pytest.fixture(scope="module")
def decoder(weights_of) -> Decoder:
    return decoder_from_mindeye1(
        weights_of("mindeye1"), low_level=weights_of("mindeye1_low_level")
    ).requires_grad_(False)


def test_brain_tokens_and_retrieval_tokens_are_the_published_ones(decoder, numbers):
    output = decoder(numbers["me1.voxels"], subject=1)
    assert_agrees(output.brain_tokens, numbers["me1.backbone_tokens"])
    assert_agrees(output.retrieval_tokens, numbers["me1.projected_tokens"])


def test_low_level_latents_and_maps_are_the_published_ones(decoder, numbers):
    output = decoder(numbers["me1.voxels"][:1], subject=1)
    assert_agrees(output.low_level_latents, numbers["me1.low.latents"])
    assert_agrees(output.low_level_maps, numbers["me1.low.maps"])


def test_without_the_low_level_checkpoint_there_are_neither_latents_nor_maps(weights_of, numbers):
    output = decoder_from_mindeye1(weights_of("mindeye1"))(numbers["me1.voxels"], subject=1)
    assert output.low_level_latents is None
    assert output.low_level_maps is None


def test_the_prior_predicts_the_published_tokens(decoder, numbers):
    noisy, times = numbers["me1.prior.noisy"], numbers["me1.prior.times"]
    brain = numbers["me1.backbone_tokens"]
    assert_agrees(decoder.prior.denoise(noisy, times, brain), numbers["me1.prior.predicted"])
    empty, null = decoder.prior.without_condition(noisy)
    plain = decoder.prior.denoise(empty, times, null)
    assert_agrees(plain, numbers["me1.prior.predicted_null"])


def test_noise_and_loss_are_the_published_ones(decoder, numbers):
    target, noise, times = (numbers[f"me1.prior.{name}"] for name in ("target", "noise", "times"))
    noisy = decoder.prior.schedule.add_noise(decoder.prior.scale * target, noise, times)
    assert_agrees(noisy, numbers["me1.prior.q_sample"])
    none = torch.zeros(3, dtype=torch.bool)
    brain = numbers["me1.backbone_tokens"]
    loss = decoder.prior.loss_at(brain, target, times, noise, drop_brain=none, drop_image=none)
    assert_agrees(loss, numbers["me1.prior.loss"])


def test_dropped_trials_are_predicted_from_null_tokens_alone(decoder, numbers):
    target, noise, times = (numbers[f"me1.prior.{name}"] for name in ("target", "noise", "times"))
    every = torch.ones(3, dtype=torch.bool)
    brain = numbers["me1.backbone_tokens"]
    loss = decoder.prior.loss_at(brain, target, times, noise, drop_brain=every, drop_image=every)
    expected = (numbers["me1.prior.predicted_null"] - decoder.prior.scale * target).square().mean()
    assert_agrees(loss, expected)


def test_the_whole_sampling_loop_ends_at_the_published_tokens(decoder, numbers):
    brain, noises = numbers["me1.backbone_tokens"][:1], numbers["me1.prior.sample_noises"]
    # The published loop draws once more at time 0 and multiplies by zero.
    for given in (noises, list(noises[:100])):
        tokens = decoder.prior.sample(brain, sampler="ddpm", steps=100, noises=given)
        assert_agrees(tokens, numbers["me1.prior.sampled"], 1e-4)


def test_the_schedules_buffers_are_the_published_ones_to_the_bit(decoder, numbers):
    written = to_mindeye1(decoder)
    published = {name: value for name, value in numbers.items() if name.startswith("schedule100.")}
    assert len(published) == 5
    for name, value in published.items():
        key = name.replace("schedule100", "noise_scheduler")
        torch.testing.assert_close(written[key], value, rtol=0, atol=0)


def test_the_checkpoints_come_back_to_the_bit(decoder, weights_of):
    written = to_mindeye1(decoder)
    published = weights_of("mindeye1") | weights_of("mindeye1_low_level")
    buffers = {key for key in written if key.startswith("noise_scheduler") or "rotary" in key}
    assert written.keys() - buffers == published.keys()
    for key, value in published.items():
        torch.testing.assert_close(written[key], value, rtol=0, atol=0)


def test_what_was_written_is_read_again_buffers_included(decoder, numbers):
    again = decoder_from_mindeye1(to_mindeye1(decoder))
    betas = numbers["me1.voxels"]
    torch.testing.assert_close(again(betas, 1), decoder(betas, 1), rtol=0, atol=0)


def test_newer_names_of_the_attention_layer_are_read_as_well(decoder, weights_of, numbers):
    newer = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    renamed = {}
    for key, value in weights_of("mindeye1_low_level").items():
        parts = [newer.get(part, part) for part in key.split(".")]
        renamed[".".join(parts)] = value
    assert renamed.keys() != weights_of("mindeye1_low_level").keys()
    other = decoder_from_mindeye1(weights_of("mindeye1"), low_level=renamed)
    betas = numbers["me1.voxels"]
    torch.testing.assert_close(other(betas, 1), decoder(betas, 1), rtol=0, atol=0)


@pytest.mark.parametrize("place", ["front", "inside"])
def test_the_prefix_of_data_parallel_training_is_dropped(decoder, weights_of, numbers, place):
    def wrapped(state):
        if place == "front":
            return {f"module.{key}": value for key, value in state.items()}
        return {key.replace("voxel2clip.", "voxel2clip.module."): state[key] for key in state}

    other = decoder_from_mindeye1(
        wrapped(weights_of("mindeye1")), low_level=wrapped(weights_of("mindeye1_low_level"))
    )
    betas = numbers["me1.voxels"]
    torch.testing.assert_close(other(betas, 1), decoder(betas, 1), rtol=0, atol=0)

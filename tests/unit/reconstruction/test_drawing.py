import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.pictures import as_pictures
from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.candidate_noise import candidate_generators, noises
from mindeye.reconstruction.drawing import STAGES
from mindeye.reconstruction.pipeline import draw_block


def test_a_candidate_does_not_depend_on_batch_or_order(
    decoded, artist, config, sampled, rows_of, assert_alike
):
    whole = draw_block(decoded, artist, config, sampled)
    order = [3, 0, 4]
    part = draw_block(rows_of(decoded, order), artist, config, sampled)
    assert_alike(part["candidates"], whole["candidates"][order])
    assert_alike(part["blurry"], whole["blurry"][order])
    np.testing.assert_allclose(part["scores"], whole["scores"][order], atol=1e-4)


@pytest.mark.parametrize("pictures", [1, 3, 4, 99])
def test_a_candidate_does_not_depend_on_how_many_pictures_are_drawn_at_once(
    decoded, artist, pictures, config, sampled, assert_alike
):
    whole = draw_block(decoded, artist, config, sampled)
    parts = draw_block(decoded, artist, config, sampled, BatchSize(pictures))
    assert parts.keys() == whole.keys()
    assert_alike(parts["candidates"], whole["candidates"])
    assert_alike(parts["blurry"], whole["blurry"])
    np.testing.assert_allclose(parts["scores"], whole["scores"], atol=1e-4)
    np.testing.assert_array_equal(parts["image_tokens"], whole["image_tokens"])


def test_a_batch_that_had_no_room_is_drawn_from_the_same_noise(
    decoded, artist, config, sampled, assert_alike
):
    whole = draw_block(decoded, artist, config, sampled)

    def tight(brain_tokens, noises):
        tokens = sampled(brain_tokens, noises)
        if len(brain_tokens) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return tokens

    with pytest.warns(UserWarning, match="no room to draw 10 pictures at once"):
        parts = draw_block(decoded, artist, config, tight)
    assert_alike(parts["candidates"], whole["candidates"])
    np.testing.assert_array_equal(parts["image_tokens"], whole["image_tokens"])


def test_tokens_and_seconds_of_each_candidate_are_told(decoded, artist, config, sampled):
    given = {}

    def remembered(brain_tokens, noises):
        given["tokens"] = sampled(brain_tokens, noises)
        return given["tokens"]

    block = draw_block(decoded, artist, config, remembered)
    assert block["image_tokens"].dtype == np.float16
    expected = given["tokens"].unflatten(0, (5, 2)).half().numpy()
    np.testing.assert_array_equal(block["image_tokens"], expected)
    assert block["seconds"].shape == (5, 2, len(STAGES))
    assert (block["seconds"] > 0).all()


def test_seconds_of_stages_are_those_of_the_stages(decoded, artist, config, sampled):
    def slow(brain_tokens, noises):
        time.sleep(0.05)
        return sampled(brain_tokens, noises)

    seconds = draw_block(decoded, artist, config, slow, BatchSize(5))["seconds"].sum((0, 1))
    assert (seconds > 0).all()
    assert seconds[STAGES.index("prior")] > 0.1


def test_tokens_that_are_not_finite_are_refused_with_their_image(decoded, artist, config, sampled):
    def broken(brain_tokens, noises):
        tokens = sampled(brain_tokens, noises)
        tokens[5, 0, 0] = float("nan")
        return tokens

    with pytest.raises(FloatingPointError, match="prior's tokens of image 20 hold NaN or infinity"):
        draw_block(decoded, artist, config, broken)


def test_more_candidates_keep_the_first_ones(decoded, artist, config, sampled, assert_alike):
    two = draw_block(decoded, artist, config, sampled)
    three = draw_block(decoded, artist, replace(config, candidates=3), sampled)
    assert_alike(three["candidates"][:, :2], two["candidates"])
    assert np.abs(two["candidates"][:, 0].astype(int) - two["candidates"][:, 1]).max() > 1


def test_images_that_decode_alike_are_drawn_from_noise_of_their_own(
    decoded, artist, config, sampled, rows_of
):
    twins = rows_of(decoded, [0, 0])._replace(image_ids=torch.tensor([7, 8]))
    first, second = draw_block(twins, artist, config, sampled)["candidates"].astype(int)
    assert np.abs(first - second).max() > 1


def test_average_draws_one_picture_of_the_mean_tokens(
    decoded, artist, config, sampled, assert_alike
):
    average = draw_block(
        decoded, artist, replace(config, candidates=3, selection="average"), sampled
    )
    generators = candidate_generators(0, decoded.image_ids.tolist(), 3)
    brain = decoded.brain_tokens.repeat_interleave(3, dim=0)
    tokens = sampled(brain, noises(generators, tuple(brain.shape[1:]))).unflatten(0, (5, 3))
    drawn = artist.generator.generate(
        tokens.mean(1),
        start=artist.vae.images(decoded.latents),
        strength=config.strength,
        steps=config.steps,
        guidance=config.guidance,
        generators=generators[::3],
    )
    assert_alike(average["candidates"][:, 0], as_pictures(drawn))
    unit = torch.nn.functional.normalize(tokens.flatten(2), dim=-1)
    cosines = torch.einsum("iaf,ibf->iab", unit, unit)
    expected = 1 - (cosines.sum((1, 2)) - 3) / 6
    np.testing.assert_allclose(average["spread"], expected, atol=1e-3)


def test_without_prior_the_brain_tokens_are_drawn(decoded, artist, config, assert_alike):
    ours = draw_block(decoded, artist, replace(config, strength=1.0), None)
    theirs = draw_block(decoded, artist, replace(config, strength=1.0), lambda brain, noises: brain)
    assert_alike(ours["candidates"], theirs["candidates"])
    assert_alike(ours["blurry"], theirs["blurry"])

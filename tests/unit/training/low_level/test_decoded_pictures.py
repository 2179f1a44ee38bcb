"""Losses of pictures that the frozen VAE decodes: pixels and edges."""

import pytest
import torch
from torch.nn import functional

from mindeye.config import from_mapping
from mindeye.models.saved import load_decoder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train

DISTANCE = "validation_latent_distance_subj01"


def test_pixels_and_edges_are_learned_through_the_frozen_vae(
    low_level, with_losses, means, tmp_path
):
    plain = train(low_level, tmp_path / "plain")
    alone = with_losses(low_level, low_level=0.0, maps=0.1, pixels=4.0, sobel=16.0)
    run = train(alone, tmp_path / "run")
    for name in ("pixels", "sobel"):
        first, last = means(run.read_log(), name)
        assert last < first, name
    assert {"pixels", "sobel"}.isdisjoint(plain.read_log()[-1])
    assert {"low_level", "maps", "pixels", "sobel", DISTANCE} <= run.read_log()[-1].keys()
    assert not torch.equal(
        load_decoder(plain.path).low_level.linear.weight,
        load_decoder(run.path).low_level.linear.weight,
    )


@pytest.mark.parametrize(("scale", "side"), [(0.5, 16), (1.0, 32)])
def test_pictures_of_a_step_have_the_size_of_what_is_decoded(
    low_level, with_losses, material_of, batch_of, scale, side
):
    config = with_losses(low_level, sobel=16.0, decoded_scale=scale)
    material = material_of(config)
    batch = batch_of(config, material)
    seen = material.subjects[1].pictures(batch.parts[0].image_ids)
    expected = functional.interpolate(seen, size=(side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(batch.targets.pictures, expected)
    assert batch_of(low_level, material).targets.pictures is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"losses": {"pixels": -1.0}}, r"`losses.pixels` is -1.0. Choose 0 or more"),
        ({"losses": {"sobel": float("nan")}}, r"`losses.sobel` is nan. Choose 0 or more"),
        ({"losses": {"decoded_scale": 0.0}}, "`losses.decoded_scale` is 0.0. Choose more than 0"),
        ({"losses": {"decoded_scale": 1.5}}, "more than 0, at most 1"),
        (
            {"losses": {"sobel": 16.0}, "decoder": {"low_level": None}},
            "`losses.sobel` 16.0, but no low-level head makes latents",
        ),
    ],
)
def test_losses_of_decoded_pictures_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        from_mapping(ExperimentConfig, {"data": ["x"], **values}, "x.yaml")

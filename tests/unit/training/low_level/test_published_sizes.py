"""The low level of the shipped recipes learns at the sizes that were published."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL

from mindeye.config import load_yaml
from mindeye.models.saved import load_decoder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train

CONFIGS = Path(__file__).parents[4] / "train" / "configs"
DISTANCE = "validation_latent_distance_subj01"


def tiny_vae(folder, side):
    """Latents of a quarter of the pictures' side."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(4, 4, 4, 4),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=2,
            mid_block_add_attention=False,
            sample_size=side,
            scaling_factor=0.18215,
        ).save_pretrained(folder)
    return folder


@pytest.fixture
def with_published_low_level(tiny_experiment, write_teacher, tmp_path):
    """(recipe, side) -> its low level as it was shipped; everything around it stays tiny."""

    def of_recipe(name, side):
        recipe = load_yaml(ExperimentConfig, CONFIGS / name)
        network = recipe.decoder.low_level
        if network.path:
            network = replace(network, path=replace(network.path, width=32))
        losses = replace(recipe.losses, soft_temperatures=(0.05, 0.08), mixco_temperature=0.05)
        presentation = recipe.schedule.presentation
        return replace(
            tiny_experiment,
            vae=tiny_vae(tmp_path / f"vae-{side}", side),
            teacher=write_teacher(tmp_path / "teacher", 512, side),
            map_augmentation=recipe.map_augmentation,
            decoder=replace(tiny_experiment.decoder, low_level=network),
            losses=losses,
            schedule=replace(tiny_experiment.schedule, presentation=presentation),
        )

    return of_recipe


def test_mindeye1s_low_level_learns_at_the_published_sizes(
    with_published_low_level, batch_of, tmp_path
):
    config = with_published_low_level("mindeye1_low_level.yaml", 512)
    schedule = replace(config.schedule, num_epochs=1, steps_per_epoch=2, batch=2)
    config = replace(config, schedule=schedule)
    batch = batch_of(config)
    assert batch.targets.latents.shape == (2, 4, 64, 64)
    assert batch.targets.maps.shape == batch.targets.augmented_maps.shape == (2, 256, 512)
    run = train(config, tmp_path / "run")
    output = load_decoder(run.path).blurry(torch.zeros(2, 20), 1)
    assert output.latents.shape == (2, 4, 64, 64)
    assert output.maps.shape == (2, 256, 512)
    assert {"low_level", "maps", DISTANCE} <= run.read_log()[-1].keys()


def test_mindeye2s_blurry_head_learns_at_the_published_sizes(
    with_published_low_level, batch_of, means, tmp_path
):
    name = "mindeye2_finetune_1_sessions.yaml"
    config = with_published_low_level(name, 224)
    assert (config.losses.low_level, config.losses.maps) == (0.5, 0.5 * 0.1)
    assert config.losses.map_temperature == 0.2
    batch = batch_of(config)
    assert batch.targets.latents.shape == (8, 4, 28, 28)
    assert batch.targets.maps.shape == (8, 49, 512)
    run = train(config, tmp_path / "run")
    for name in ("low_level", "maps"):
        first, last = means(run.read_log(), name)
        assert last < first, name
    assert {"prior", "contrastive", "validation_top1_subj01"} <= run.read_log()[-1].keys()
    latents, maps = load_decoder(run.path).blurry(torch.zeros(2, 20), 1)
    assert (latents.shape, maps.shape) == ((2, 4, 28, 28), (2, 49, 512))

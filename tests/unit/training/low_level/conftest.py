"""Trainings of the low-level network alone, with MindEye1's structure in small."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.targets.feature_maps import MapConfig, MapNetwork, save_maps
from mindeye.training.augmentation import MINDEYE1_LOW_LEVEL
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.order import batch_rows
from mindeye.training.step_batch import step_batch
from mindeye.training.subjects import Material, open_subject


@pytest.fixture(scope="session")
def write_teacher():
    """(folder, width of the maps, side of the pictures) -> the folder, now a tiny teacher."""

    def written(folder: Path, width: int, side: int) -> Path:
        sizes = {"depths": (1, 1, 1, 1), "dims": (4, 4, 4, 8), "projector": (8, width)}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MapNetwork(MapConfig(**sizes, side=side))
            # Timm begins with weights so small that all pictures have nearly the same maps.
            for parameter in network.parameters():
                if parameter.ndim > 1:
                    torch.nn.init.normal_(parameter, std=0.5)
            save_maps(network, folder)
        return folder

    return written


@pytest.fixture
def teacher(write_teacher, tmp_path):
    return write_teacher(tmp_path / "teacher", 6, 64)


@pytest.fixture
def low_level(tiny_experiment, teacher, tmp_path):
    """MindEye1's low-level training: its path, maps, scans and views, beside a finished run."""
    plain = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, low_level=None))
    plain = replace(plain, schedule=replace(plain.schedule, num_epochs=1))
    network = PublishedLowLevelConfig(
        base_channels=8,
        base_side=2,
        block_channels=(32, 32, 32),
        map_width=6,
        path=LowLevelPathConfig(width=24, num_blocks=1, input_dropout=0.1, block_dropout=0.1),
    )
    return replace(
        tiny_experiment,
        teacher=teacher,
        start_from=train(plain, tmp_path / "high_level").path,
        parts=("low_level_path", "low_level"),
        map_augmentation=MINDEYE1_LOW_LEVEL,
        decoder=replace(tiny_experiment.decoder, low_level=network),
        losses=replace(
            tiny_experiment.losses,
            contrastive=0.0,
            prior=0.0,
            mixco_share=0.0,
            low_level=1 / 0.18215,
            maps=0.1,
            map_temperature=0.075,
        ),
        schedule=replace(tiny_experiment.schedule, num_epochs=8, presentation="weighted"),
    )


@pytest.fixture
def with_losses():
    """(experiment, weights) -> the same with other weights of its losses."""

    def changed(config, **losses):
        return replace(config, losses=replace(config.losses, **losses))

    return changed


@pytest.fixture
def material_of():
    """(experiment) -> its subject and networks."""

    def opened(config) -> Material:
        networks, prepared = open_networks(config), PreparedSubject(config.data[0])
        return Material(subjects={1: open_subject(prepared, networks)}, networks=networks)

    return opened


@pytest.fixture
def batch_of(material_of):
    """(experiment, its material if it is open) -> the first batch."""

    def first(config, material=None):
        material = material or material_of(config)
        numbers = material.num_images_of, config.schedule.batch, config.seed
        rows = next(batch_rows(*numbers, first=0, num_steps=1))
        generator = torch.Generator().manual_seed(0)
        return step_batch(config, material, rows, generator, torch.device("cpu"))

    return first


@pytest.fixture
def means():
    """(log, name) -> means of the first and of the last third."""

    def of_thirds(log, name):
        values = [line[name] for line in log if name in line]
        third = len(values) // 3
        return np.mean(values[:third]), np.mean(values[-third:])

    return of_thirds

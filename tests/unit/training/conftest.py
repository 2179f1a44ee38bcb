"""A subject ready for training, and trainings that nothing interrupted."""

import shutil
from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import functional

from mindeye.data.batches import PreparedSubject
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.targets.feature_maps import MapConfig, MapNetwork, save_maps
from mindeye.training.augmentation import AugmentationConfig
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.subjects import open_subject


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """Experiment -> its run, trained once for each seed; shared: read only."""
    trained = {}

    def run_of(experiment):
        if experiment.seed not in trained:
            folder = tmp_path_factory.mktemp("runs") / f"seed{experiment.seed}"
            trained[experiment.seed] = train(experiment, folder)
        return trained[experiment.seed]

    return run_of


@pytest.fixture
def subject(tiny_experiment, tiny_prepared):
    return open_subject(PreparedSubject(tiny_prepared), open_networks(tiny_experiment))


@pytest.fixture(scope="session")
def second_prepared(tiny_prepared, tmp_path_factory, belonging_to):
    """The same scans as those of subject 2."""
    folder = tmp_path_factory.mktemp("second") / "prepared"
    shutil.copytree(tiny_prepared, folder)
    belonging_to(folder, 2)
    return folder


@pytest.fixture
def teacher(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = MapConfig(depths=(1, 1, 1, 1), dims=(4, 4, 4, 8), projector=(8, 6), side=64)
        save_maps(MapNetwork(config), tmp_path / "teacher")
    return tmp_path / "teacher"


@pytest.fixture
def with_teacher(tiny_experiment, teacher):
    """MindEye1's low-level network on top of the tiny decoder."""
    low_level = PublishedLowLevelConfig(
        base_channels=8,
        base_side=2,
        block_channels=(32, 32, 32),
        map_width=6,
        path=LowLevelPathConfig(width=24, num_blocks=1),
    )
    return replace(
        tiny_experiment,
        teacher=teacher,
        decoder=replace(tiny_experiment.decoder, low_level=low_level),
        losses=replace(tiny_experiment.losses, maps=0.1),
    )


@pytest.fixture
def own(tiny_experiment, tiny_prepared, tmp_path):
    """The tiny experiment on a copy of its data, without a cache."""
    folder = tmp_path / "prepared"
    shutil.copytree(tiny_prepared, folder, ignore=shutil.ignore_patterns("targets"))
    return replace(tiny_experiment, data=(folder,))


@pytest.fixture
def viewed(own, with_teacher):
    """Two views for CLIP and two for the teacher."""
    return replace(
        with_teacher,
        data=own.data,
        augmentation=AugmentationConfig(crop_chance=1.0, jitter_chance=1.0, grey_chance=0.5),
        augmented_views=2,
        view_seed=9,
    )


@pytest.fixture
def record(monkeypatch):
    """Names of torchvision's functions -> their calls: (name, arguments behind the image)."""

    def recorded(*names: str) -> list[tuple]:
        calls = []

        def watch(name: str) -> None:
            original = getattr(functional, name)

            def spy(image, *arguments, **options):
                calls.append((name, *arguments))
                return original(image, *arguments, **options)

            monkeypatch.setattr(functional, name, spy)

        for name in names:
            watch(name)
        return calls

    return recorded

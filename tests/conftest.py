"""Shapes in signatures are checked in every test; frozen networks and a subject, all tiny."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from jaxtyping import install_import_hook
from threadpoolctl import threadpool_limits

# Processes share the cores: one thread each is faster than several that wait for each other. The
# variable is for programs that tests start, the call for NumPy, which is here already: both must
# add up numbers in the same order, or bits differ.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))

# Before anything imports mindeye: from here on a wrong shape or type fails the test. An int
# where a float is asked for is fine.
install_import_hook(
    "mindeye", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)

# Bits are compared: the same device on every machine.
os.environ.setdefault("ACCELERATE_USE_CPU", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On several processes, files that take long begin first: none is left alone with one.

    End-to-end tests, then files that start Python (which takes seconds to load its libraries), then
    those of most tests. By the number of tests alone, xdist's own order, the longest came last.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    tests_of = Counter(item.path for item in items)

    def place(path: Path) -> tuple[bool, bool, int, str]:
        is_quick = "sys.executable" not in path.read_text()
        return "end_to_end" not in path.parts, is_quick, -tests_of[path], str(path)

    places = {path: place(path) for path in tests_of}
    items.sort(key=lambda item: places[item.path])


TOKEN_WIDTH = 16
PICTURE_SIDE = 32
LATENT_CHANNELS, LATENT_SIDE = 4, 8
NUM_VOXELS = 20
SUBJECT = 1
IMAGES_OF_SPLIT = {"train": range(100, 124), "validation": range(200, 206), "test": range(300, 308)}


class Networks(NamedTuple):
    """Folders of small random frozen networks in the layouts that hub models have."""

    clip: Path
    vae: Path
    generator: Path


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """CLIP of 4 patches, VAE of 8 x 8 latents and a one-layer generator; shared: read only."""
    import torch

    folder = tmp_path_factory.mktemp("networks")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Networks(
            clip=_write_clip(folder / "tiny-clip"),
            vae=_write_vae(folder / "tiny-vae"),
            generator=_write_generator(folder / "tiny-generator"),
        )


def _write_clip(folder: Path) -> Path:
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir()
    vision = {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 16}
    text = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model = {"embed_dim": TOKEN_WIDTH, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    config = json.dumps({"model_cfg": model, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(config)
    weights = open_clip.CLIP(TOKEN_WIDTH, vision, text).state_dict()
    weights = {name: value.clone() for name, value in weights.items() if name != "attn_mask"}
    # Open_clip's start makes all images nearly one; these tell them apart.
    weights["visual.conv1.weight"] *= 10
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def _write_vae(folder: Path) -> Path:
    from diffusers import AutoencoderKL

    AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        mid_block_add_attention=False,
        sample_size=PICTURE_SIDE,
        scaling_factor=2.0,
    ).half().save_pretrained(folder)
    return folder


def _write_generator(folder: Path) -> Path:
    import torch
    from diffusers import DPMSolverMultistepScheduler

    from mindeye.models.generator_network import new_generator_network, save_generator_network

    statistics = torch.zeros(5, TOKEN_WIDTH), torch.full((5, TOKEN_WIDTH), TOKEN_WIDTH**-0.5)
    shape = (LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)
    save_generator_network(new_generator_network(shape, *statistics, width=64, layers=1), folder)
    DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        algorithm_type="dpmsolver++",
        final_sigmas_type="zero",
    ).save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture(scope="session")
def tiny_prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of 38 images, 20 voxels and plenty of signal; shared: read only."""
    return _write_prepared(tmp_path_factory.mktemp("tiny") / "prepared")


@pytest.fixture
def tiny_experiment(tiny_prepared: Path, networks: Networks):
    """12 steps of a decoder that trains in a second; a checkpoint after every step."""
    from mindeye.models.backbone import BackboneConfig
    from mindeye.models.decoder import DecoderConfig
    from mindeye.models.low_level import LowLevelConfig
    from mindeye.models.prior import PriorConfig
    from mindeye.training.experiment import ExperimentConfig, LossConfig, ScheduleConfig

    return ExperimentConfig(
        data=(tiny_prepared,),
        clip=networks.clip,
        vae=networks.vae,
        decoder=DecoderConfig(
            backbone=BackboneConfig(width=24, num_blocks=1),
            contrastive_width=16,
            prior=PriorConfig(depth=1, head_width=8, train_times=20),
            low_level=LowLevelConfig(base_channels=8, base_side=4),
        ),
        losses=LossConfig(mixco_temperature=0.05, soft_temperatures=(0.05, 0.08)),
        schedule=ScheduleConfig(num_epochs=4, batch=8, learning_rate=3e-3, save_every_s=0.0),
        seed=3,
    )


def _write_prepared(folder: Path) -> Path:
    """What `prepare_nsd` writes, from made-up arrays: betas are linear in the mean colours."""
    from mindeye.data.prepare import written_files
    from mindeye.data.shards import ShardWriter
    from mindeye.files import write_json

    rng = np.random.default_rng(5)
    image_ids = np.concatenate([np.array(ids) for ids in IMAGES_OF_SPLIT.values()])
    pictures = _pictures(rng, len(image_ids))
    signal = pictures.reshape(len(pictures), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(pictures), -1)
    signal = (signal - signal.mean(0)) / signal.std(0) @ rng.normal(size=(48, NUM_VOXELS)) / 7
    folder.mkdir()
    splits, trial = {}, 0
    for split, ids in IMAGES_OF_SPLIT.items():
        writer = ShardWriter(folder, split)
        for image_id in ids:
            # The first image of a split was shown twice, all others three times.
            for repeat in range(2 if image_id == ids[0] else 3):
                betas = signal[np.searchsorted(image_ids, image_id)] + rng.normal(size=NUM_VOXELS)
                numbers = {"image_id": image_id, "trial": trial, "repeat": repeat}
                writer.write(betas / 2**0.5, **numbers, subject=SUBJECT, session=1, run=1)
                trial += 1
        writer.close()
        counts = {"num_trials": writer.num_trials, "num_images": len(ids)}
        splits[split] = {"shards": writer.names, **counts}
    np.save(folder / "image_ids.npy", image_ids)
    np.save(folder / "images.npy", pictures)
    bundle = _bundle()
    bundle.save(folder / "bundle")
    manifest = {
        "schema": 1,
        "dataset": "nsd",
        "subject": SUBJECT,
        "space": bundle.space,
        "beta_version": "b3",
        "roi": bundle.roi,
        "num_voxels": NUM_VOXELS,
        "voxel_hash": bundle.voxel_hash,
        "protocol": "made up",
        "zscore": bundle.zscore,
        "sessions": [1],
        "transductive": [],
        "splits": splits,
        "seed": 0,
        "simulated": {"simulated": True, "preset": "tests"},
        "mindeye_version": "0",
        **written_files(folder),
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def _pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Four by four patches of random colours."""
    colours = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return colours.repeat(PICTURE_SIDE // 4, axis=1).repeat(PICTURE_SIDE // 4, axis=2)


def _bundle():
    from mindeye.data.bundle import VoxelBundle

    ones = np.ones(NUM_VOXELS, dtype=np.float32)
    return VoxelBundle(
        subject=SUBJECT,
        space="made up",
        roi="all",
        beta_version="b3",
        zscore="session-train",
        sessions=(1,),
        shape=None,
        affine=None,
        coordinates=None,
        mean=ones[None],
        std=ones[None],
        mean_map=ones,
        ncsnr=ones,
        label_of_voxel={},
        label_names={},
    )

"""Trainings of the low-level network alone, with MindEye1's structure in small."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch.nn import functional

from mindeye.config import from_mapping, load_yaml
from mindeye.data.batches import PreparedSubject
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.saved import load_decoder
from mindeye.targets import published_teachers
from mindeye.targets.feature_maps import MapConfig, MapNetwork, save_maps
from mindeye.targets.published_teachers import PublishedTeacher
from mindeye.training import step_batch as steps
from mindeye.training import validation as validations
from mindeye.training.augmentation import MINDEYE1_LOW_LEVEL
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.order import batch_rows
from mindeye.training.step_batch import step_batch
from mindeye.training.subjects import Material, open_subject

CONFIGS = Path(__file__).parents[3] / "train" / "configs"
DISTANCE = "validation_latent_distance_subj01"


class PowerCutError(Exception):
    """Raised where a kill would strike."""


@pytest.fixture
def teacher(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = MapConfig(depths=(1, 1, 1, 1), dims=(4, 4, 4, 8), projector=(8, 6), side=64)
        network = MapNetwork(config)
        # Timm begins with weights so small that all pictures have nearly the same maps.
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.5)
        save_maps(network, tmp_path / "teacher")
    return tmp_path / "teacher"


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


def with_losses(config, **losses):
    return replace(config, losses=replace(config.losses, **losses))


def material_of(config) -> Material:
    networks, prepared = open_networks(config), PreparedSubject(config.data[0])
    return Material(subjects={1: open_subject(prepared, networks)}, networks=networks)


def batch_of(config, material=None):
    material = material or material_of(config)
    numbers = material.num_images_of, config.schedule.batch, config.seed
    rows = next(batch_rows(*numbers, first=0, num_steps=1))
    generator = torch.Generator().manual_seed(0)
    return step_batch(config, material, rows, generator, torch.device("cpu"))


def means(log, name):
    """Of the first and of the last third."""
    values = [line[name] for line in log if name in line]
    third = len(values) // 3
    return np.mean(values[:third]), np.mean(values[-third:])


def test_losses_fall_and_the_validation_distance_with_them(low_level, tmp_path):
    log = train(low_level, tmp_path / "run").read_log()
    for name, share in (("low_level", 0.9), ("maps", 1.0), (DISTANCE, 0.9)):
        first, last = means(log, name)
        assert last < share * first, name


def test_the_validation_distance_is_that_of_the_mean_scans_latents(
    low_level, tmp_path, monkeypatch
):
    run = train(low_level, tmp_path / "run")
    decoder, material = load_decoder(run.path), material_of(low_level)
    subject, slow = material.subjects[1], []
    scans, pictures = subject.validation, subject.pictures(subject.validation.image_ids)
    for betas, present, picture in zip(scans.betas, scans.present, pictures, strict=True):
        with torch.inference_mode():
            mean = betas[present].float().mean(0, keepdim=True)
            wanted = material.networks.vae.latents(picture[None]).half().float()
            slow.append((decoder.blurry(mean, 1).latents - wanted).abs().mean().item())
    assert len(slow) == 6
    found = validations.validation(low_level, decoder, material, step=0)
    assert found == {DISTANCE: pytest.approx(np.mean(slow), rel=1e-5)}
    assert run.read_log()[-1][DISTANCE] == pytest.approx(np.mean(slow), rel=1e-5)
    # The same in parts that do not divide the images.
    monkeypatch.setattr(validations, "BLURRY_BATCH", 4)
    assert validations.validation(low_level, decoder, material, step=0) == pytest.approx(found)


def test_maps_alone_have_no_validation_distance(low_level, tmp_path):
    log = train(with_losses(low_level, low_level=0.0), tmp_path / "run").read_log()
    assert not [line for line in log if DISTANCE in line]


def test_a_training_of_everything_tells_no_distance(low_level, tmp_path):
    everything = with_losses(low_level, contrastive=1.0, prior=30.0)
    everything = replace(everything, parts=None, start_from=None)
    last = train(everything, tmp_path / "run").read_log()[-1]
    assert "validation_top1_subj01" in last
    assert DISTANCE not in last


def test_a_resumed_training_ends_in_the_same_bits(low_level, tmp_path):
    def cut(done, total, values):
        if done == 7:
            raise PowerCutError

    config = with_losses(low_level, pixels=4.0, sobel=16.0)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train(config, tmp_path / "run", progress=cut)
    resumed = train(config, tmp_path / "run")
    assert resumed.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert resumed.read_log() == whole.read_log()


def test_pixels_and_edges_are_learned_through_the_frozen_vae(low_level, tmp_path):
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
def test_pictures_of_a_step_have_the_size_of_what_is_decoded(low_level, scale, side):
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


def tiny_teacher(folder, side):
    """Maps of the published width, of a network that is small otherwise."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = MapConfig(depths=(1, 1, 1, 1), dims=(4, 4, 4, 8), projector=(8, 512), side=side)
        network = MapNetwork(config)
        for parameter in network.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.5)
        save_maps(network, folder)
    return folder


def with_published_low_level(experiment, name, side, folder):
    """The low level as the shipped recipe has it; everything around it stays tiny."""
    recipe = load_yaml(ExperimentConfig, CONFIGS / name)
    network = recipe.decoder.low_level
    if network.path:
        network = replace(network, path=replace(network.path, width=32))
    return replace(
        experiment,
        vae=tiny_vae(folder / f"vae-{side}", side),
        teacher=tiny_teacher(folder / "teacher", side),
        map_augmentation=recipe.map_augmentation,
        decoder=replace(experiment.decoder, low_level=network),
        losses=replace(recipe.losses, soft_temperatures=(0.05, 0.08), mixco_temperature=0.05),
        schedule=replace(experiment.schedule, presentation=recipe.schedule.presentation),
    )


def test_mindeye1s_low_level_learns_at_the_published_sizes(tiny_experiment, tmp_path):
    config = with_published_low_level(tiny_experiment, "mindeye1_low_level.yaml", 512, tmp_path)
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


def test_mindeye2s_blurry_head_learns_at_the_published_sizes(tiny_experiment, tmp_path):
    name = "mindeye2_finetune_1_sessions.yaml"
    config = with_published_low_level(tiny_experiment, name, 224, tmp_path)
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


def test_the_other_view_is_made_at_the_teachers_side(low_level, monkeypatch):
    seen = []
    plain = steps.augmented

    def watched(pictures, config, generator):
        seen.append(pictures)
        return plain(pictures, config, generator)

    monkeypatch.setattr(steps, "augmented", watched)
    material = material_of(low_level)
    batch = batch_of(low_level, material)
    pictures = material.subjects[1].pictures(batch.parts[0].image_ids)
    larger = functional.interpolate(pictures, size=(64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(seen[0], larger)


def test_a_teacher_of_timm_is_learned_from_by_its_name(low_level, tmp_path, monkeypatch):
    about = PublishedTeacher(
        hub="timm/test_vit", terms="-", megabytes=1, side=32, map_width=64, timm="test_vit"
    )
    monkeypatch.setattr(published_teachers, "PUBLISHED_TEACHERS", {"tiny-vit": about})
    folder = tmp_path / "networks" / "tiny-vit"
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        weights = timm.create_model("test_vit", img_size=32).state_dict()
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text('{"timm": "test_vit", "side": 32}')
    monkeypatch.setenv("MINDEYE_NETWORKS", str(tmp_path / "networks"))
    network = replace(low_level.decoder.low_level, map_width=64)
    decoder = replace(low_level.decoder, low_level=network)
    run = train(replace(low_level, teacher=Path("tiny-vit"), decoder=decoder), tmp_path / "run")
    assert run.provenance()["networks"]["teacher"].startswith("tiny-vit-")
    assert run.provenance()["paths"]["teacher"] == str(folder)
    assert "maps" in run.read_log()[-1]

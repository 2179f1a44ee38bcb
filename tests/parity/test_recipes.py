"""The recipes' numbers are the published ones to the digit; nothing is allocated."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from mindeye.config import load_yaml
from mindeye.models.decoder import Decoder
from mindeye.models.published.key_names import mindeye1_low_level_names as low_level_names
from mindeye.models.published.key_names import mindeye1_names, mindeye2_names, published_name
from mindeye.models.token_head import WindowHeadConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS
from mindeye.training.augmentation import MINDEYE1, MINDEYE1_LOW_LEVEL, MINDEYE2_BLUR
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import length_of
from mindeye.training.optimizer import decay_groups
from mindeye.training.schedule import one_cycle
from mindeye.training.starting import train_only

CONFIGS = Path(__file__).parents[2] / "train" / "configs"
# Images of a subject's training split, as MindEye1 and MindEye2 count them.
TRAINING_IMAGES = 8859
# The rotary frequencies are a frozen parameter of the published code; ours follow from the width.
ROTARY = 16


class Recipe(NamedTuple):
    subjects: tuple[int, ...]
    token_shape: tuple[int, int]
    latent_shape: tuple[int, int, int]
    images: int


ONE, TWO = (4, 64, 64), (4, 28, 28)
RECIPES = {
    "mindeye1_subj01": Recipe((1,), (257, 768), ONE, TRAINING_IMAGES),
    "mindeye1_1x768": Recipe((1,), (1, 768), ONE, TRAINING_IMAGES),
    "mindeye1_low_level": Recipe((1,), (257, 768), ONE, TRAINING_IMAGES),
    "mindeye2_multisubject": Recipe((2, 3, 4, 5, 6, 7, 8), (256, 1664), TWO, 9000),
    "mindeye2_finetune_40_sessions": Recipe((1,), (256, 1664), TWO, 9000),
    "mindeye2_finetune_1_sessions": Recipe((1,), (256, 1664), TWO, 600),
}


def config_of(name: str) -> ExperimentConfig:
    return load_yaml(ExperimentConfig, CONFIGS / f"{name}.yaml")


def decoder_of(name: str, shapes_of: str | None = None) -> Decoder:
    """With the shapes of that recipe, or of another one."""
    recipe, config = RECIPES[shapes_of or name], config_of(name)
    with torch.device("meta"):
        decoder = Decoder(
            config.decoder,
            num_voxels_of={subject: NSDGENERAL_VOXELS[subject] for subject in recipe.subjects},
            token_shape=recipe.token_shape,
            latent_shape=recipe.latent_shape,
        )
    train_only(decoder, config.parts)
    return decoder


def count(decoder: Decoder, *prefixes: str) -> int:
    return sum(
        one.numel()
        for name, one in decoder.named_parameters()
        if one.requires_grad and name.startswith(prefixes)
    )


VOXEL_SIDE = ("ridge.", "backbone.", "token_head.", "contrastive_head.", "low_level.")


def test_mindeye1_has_the_published_parameters():
    decoder = decoder_of("mindeye1_subj01")
    assert count(decoder, *VOXEL_SIDE) == 947_579_904
    assert count(decoder, "prior.") + ROTARY == 56_055_184
    assert count(decoder, "") + ROTARY == 1_003_635_088


def test_mindeye1_with_one_embedding_has_the_published_parameters():
    decoder = decoder_of("mindeye1_1x768")
    assert count(decoder, *VOXEL_SIDE) == 142_076_928
    assert count(decoder, "prior.") + ROTARY == 101_894_032


def test_mindeye1s_low_level_network_has_the_published_parameters_and_trains_alone():
    decoder = decoder_of("mindeye1_low_level")
    assert count(decoder, "") == count(decoder, "low_level") == 206_065_604


@pytest.mark.parametrize("name", ["mindeye2_finetune_40_sessions", "mindeye2_finetune_1_sessions"])
def test_mindeye2_has_the_published_parameters(name):
    decoder = decoder_of(name)
    assert count(decoder, "ridge.") == 64_409_600
    assert count(decoder, *VOXEL_SIDE) - 64_409_600 == 1_903_020_028
    assert count(decoder, "prior.") + ROTARY == 259_865_216
    assert count(decoder, "") + ROTARY == 2_227_294_844


def test_mindeye2_pre_trains_one_ridge_for_each_of_seven_subjects():
    decoder = decoder_of("mindeye2_multisubject")
    voxels = sum(NSDGENERAL_VOXELS[subject] for subject in range(2, 9))
    assert decoder.subjects == (2, 3, 4, 5, 6, 7, 8)
    assert count(decoder, "ridge.") == 4096 * (voxels + 7)


def test_the_compact_recipe_is_mindeye1s_but_for_token_head_and_quirks():
    compact, published = config_of("mindeye1_subj01_compact"), config_of("mindeye1_subj01")
    assert compact.decoder.token_head == WindowHeadConfig(window=680)
    assert not compact.quirks.switched_on()
    dense = replace(compact.decoder, token_head=None)
    assert replace(compact, decoder=dense, quirks=published.quirks) == published


def test_the_compact_recipe_has_less_than_a_third_of_the_published_parameters():
    decoder = decoder_of("mindeye1_subj01_compact", "mindeye1_subj01")
    assert count(decoder, "token_head.") == (680 + 1) * 257 * 768
    assert count(decoder, "") + ROTARY == 329_398_672
    assert 3 * 329_398_672 < 1_003_635_088


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("mindeye1_subj01", 66_240),
        ("mindeye1_1x768", 66_240),
        ("mindeye2_multisubject", 107_100),
        ("mindeye2_finetune_40_sessions", 187_500),
        ("mindeye2_finetune_1_sessions", 4_650),
    ],
)
def test_steps_are_the_published_ones(name, steps):
    config, recipe = config_of(name), RECIPES[name]
    sizes = {subject: recipe.images for subject in recipe.subjects}
    length = length_of(config.schedule, sizes)
    assert length.num_steps == steps
    first = next(length.batches(config.seed, first=0))
    assert sum(len(rows) for rows in first.rows_of.values()) == config.schedule.batch


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "mindeye1_low_level"])
def test_phases_and_temperatures_are_the_published_ones(name):
    config, recipe = config_of(name), RECIPES[name]
    length = length_of(config.schedule, {subject: recipe.images for subject in recipe.subjects})
    assert config.quirks.resolved().phases_by_epoch
    mixed_epochs = {"1": 79, "2": 49}[name[len("mindeye")]]
    border = mixed_epochs * length.steps_per_epoch
    steps = (0, border - 1, border, length.num_steps - 1)
    phases = [length.phase(step, config.losses, by_epoch=True) for step in steps]
    assert [one.mixes for one in phases] == [True, True, False, False]
    temperatures = [one.temperature for one in phases]
    assert temperatures == pytest.approx([0.006, 0.006, 0.004, 0.0075], rel=1e-12)


@pytest.mark.filterwarnings("ignore:To get the last learning rate")
@pytest.mark.parametrize("name", RECIPES)
def test_the_learning_rate_is_that_of_torchs_one_cycle(name):
    config, recipe = config_of(name), RECIPES[name]
    sizes = {subject: recipe.images for subject in recipe.subjects}
    total, schedule = length_of(config.schedule, sizes).num_steps, config.schedule
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        schedule.learning_rate,
        total_steps=total,
        pct_start=2 / schedule.num_epochs,
        final_div_factor=1000,
    )
    peak = 2 * total // schedule.num_epochs - 1
    for step in (0, 1, 100, peak - 1, peak, peak + 1, total // 2, total - 1):
        theirs.last_epoch = step
        rate = one_cycle(step, total, schedule.learning_rate, schedule.warmup)
        assert rate == pytest.approx(theirs.get_lr()[0], rel=1e-6), step


def published_names_of(name: str, decoder: Decoder):
    config = decoder.config
    if name.startswith("mindeye2"):
        return mindeye2_names(config.backbone, config.prior, decoder.subjects)
    names = mindeye1_names(config.backbone.num_blocks, config.prior, 1)
    return names + (low_level_names(config.low_level, 1, older=False) if config.low_level else ())


@pytest.mark.parametrize("name", RECIPES)
def test_decay_groups_are_those_of_the_published_names(name):
    """Decayed is what has no `bias` in its published name; MindEye2's ridge as a whole."""
    config, decoder = config_of(name), decoder_of(name)
    groups = decay_groups(decoder, config.schedule.weight_decay, quirks=config.quirks)
    found = {group["weight_decay"]: sum(one.numel() for one in group["params"]) for group in groups}
    expected = {0.0: 0, 0.01: 0}
    names = published_names_of(name, decoder)
    for ours, parameter in decoder.named_parameters():
        theirs = published_name(ours, names)
        decayed = "bias" not in theirs or theirs.startswith("ridge.")
        expected[0.01 if decayed else 0.0] += parameter.numel() * parameter.requires_grad
    assert found == expected


@pytest.mark.parametrize(
    ("name", "pictures", "other_view"),
    [
        ("mindeye1_subj01", MINDEYE1, None),
        ("mindeye1_1x768", MINDEYE1, None),
        ("mindeye1_low_level", None, MINDEYE1_LOW_LEVEL),
        ("mindeye2_multisubject", None, MINDEYE2_BLUR),
        ("mindeye2_finetune_40_sessions", None, MINDEYE2_BLUR),
        ("mindeye2_finetune_1_sessions", None, MINDEYE2_BLUR),
    ],
)
def test_pictures_are_changed_as_published(name, pictures, other_view):
    config = config_of(name)
    assert config.augmentation == pictures
    assert other_view is None or config.map_augmentation == other_view
    assert (other_view is not None) == (config.teacher is not None)

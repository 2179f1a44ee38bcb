import math
from dataclasses import fields, replace

import pytest
import torch

from mindeye.training.augmentation import (
    CHANCES,
    MINDEYE1,
    MINDEYE1_LOW_LEVEL,
    MINDEYE2_BLUR,
    AugmentationConfig,
    augmented,
)

PUBLISHED = {"MINDEYE1": MINDEYE1, "LOW_LEVEL": MINDEYE1_LOW_LEVEL, "MINDEYE2": MINDEYE2_BLUR}
NOTHING = AugmentationConfig(**dict.fromkeys(CHANCES, 0.0))
all_published = pytest.mark.parametrize("config", PUBLISHED.values(), ids=PUBLISHED)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 12, height: int = 16, width: int = 16) -> torch.Tensor:
    """Half of the values are at the ends of the range."""
    return (torch.rand(count, 3, height, width, generator=seeded(7)) * 2 - 0.5).clamp(0, 1)


@all_published
def test_the_same_generator_state_changes_alike_and_another_one_otherwise(config):
    images = pictures()
    before, state = images.clone(), torch.random.get_rng_state()
    first = augmented(images, config, seeded())
    assert torch.equal(first, augmented(images, config, seeded()))
    assert not torch.equal(first, augmented(images, config, seeded(1)))
    assert torch.equal(images, before)
    assert torch.equal(torch.random.get_rng_state(), state)


@all_published
def test_what_an_image_meets_does_not_depend_on_the_others(config):
    images = pictures()
    together = augmented(images, config, seeded())
    assert torch.equal(augmented(images[:5], config, seeded()), together[:5])
    others = torch.cat([1 - images[:5], images[5:]])
    assert torch.equal(augmented(others, config, seeded())[5:], together[5:])


@all_published
def test_size_and_range_stay(config):
    images = pictures(40, height=20, width=28)
    changed = augmented(images, config, seeded())
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert augmented(images[:0], config, seeded()).shape == (0, 3, 20, 28)


def test_chance_0_changes_nothing_and_gives_a_copy():
    images = pictures()
    same = augmented(images, NOTHING, seeded())
    assert torch.equal(same, images)
    assert same.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("chance", CHANCES)
def test_each_change_meets_its_share_of_the_images(chance):
    images = pictures(1, 8, 8).expand(800, -1, -1, -1)
    changed = augmented(images, replace(NOTHING, **{chance: 0.3}), seeded())
    count = (changed != images).flatten(1).any(1).sum().item()
    # Four standard deviations of a binomial count, and a few changes too small to see.
    assert count == pytest.approx(240, abs=4 * math.sqrt(800 * 0.3 * 0.7) + 4)


def test_changes_are_drawn_independently():
    images = pictures(1, 8, 8).expand(800, -1, -1, -1)
    flipped = (augmented(images, replace(NOTHING, flip_chance=0.5), seeded()) != images).flatten(1)
    grey = (augmented(images, replace(NOTHING, grey_chance=0.5), seeded()) != images).flatten(1)
    both = (flipped.any(1) & grey.any(1)).sum().item()
    assert both == pytest.approx(200, abs=4 * math.sqrt(800 * 0.25 * 0.75))


def test_switching_the_flip_off_leaves_all_else_as_it_was():
    images = pictures(60)
    maybe = augmented(images, MINDEYE1, seeded())
    never = augmented(images, replace(MINDEYE1, flip_chance=0.0), seeded())
    alike = [torch.allclose(one, other, atol=1e-6) for one, other in zip(maybe, never)]
    flipped = [torch.allclose(one, other.flip(-1), atol=1e-6) for one, other in zip(maybe, never)]
    assert all(one != other for one, other in zip(alike, flipped))
    assert 15 < sum(flipped) < 45


@pytest.mark.parametrize("crop_last", [False, True])
def test_changes_come_in_the_published_order(record, crop_last):
    names = ("resized_crop", "horizontal_flip", "adjust_contrast")
    names += ("rgb_to_grayscale", "solarize", "gaussian_blur")
    calls = record(*names)
    certain = dict.fromkeys(CHANCES, 1.0)
    augmented(
        pictures(1),
        AugmentationConfig(**certain, crop_last=crop_last, crop_scale=(0.2, 0.5)),
        seeded(),
    )
    expected = names[1:] + names[:1] if crop_last else names
    assert tuple(name for name, *_ in calls) == expected


def test_named_augmentations_are_the_published_ones():
    def told(config: AugmentationConfig) -> dict:
        return {field.name: getattr(config, field.name) for field in fields(config)}

    jitter = {"jitter": (0.4, 0.4, 0.2, 0.1)}
    first = told(MINDEYE1)
    assert first.items() >= {**jitter, "crop_chance": 0.3, "crop_scale": (0.6, 1.0)}.items()
    assert [first[name] for name in CHANCES] == [0.3, 0.5, 0.3, 0.3, 0, 0]
    assert not first["crop_last"]
    second = told(MINDEYE1_LOW_LEVEL)
    assert second.items() >= {**jitter, "crop_scale": (0.5, 1.0), "crop_last": True}.items()
    assert [second[name] for name in CHANCES] == [1, 0, 0.8, 0.2, 0.2, 0.1]
    assert (second["blur_kernel"], second["blur_sigma"]) == (7, (0.1, 2.0))
    third = told(MINDEYE2_BLUR)
    assert third.items() >= {**jitter, "crop_scale": (0.9, 0.9), "crop_last": True}.items()
    assert [third[name] for name in CHANCES] == [1, 0, 0.8, 0.1, 0.1, 0]
    assert third["crop_ratio"] == (1.0, 1.0)


@pytest.mark.parametrize("wrong", [-0.1, 1.01, float("nan")])
@pytest.mark.parametrize("chance", CHANCES)
def test_chances_outside_0_to_1_are_refused(chance, wrong):
    with pytest.raises(ValueError, match=rf"{chance} is {wrong}. Choose a share from 0 to 1"):
        AugmentationConfig(**{chance: wrong})


@pytest.mark.parametrize("scale", [(0.0, 1.0), (0.8, 0.6), (0.6, 1.1)])
def test_crop_areas_that_no_picture_has_are_refused(scale):
    with pytest.raises(ValueError, match=r"crop_scale is .* Choose two shares"):
        AugmentationConfig(crop_scale=scale)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"crop_ratio": (0.0, 1.0)}, r"crop_ratio is \(0\.0, 1\.0\)\. Choose two numbers above 0"),
        ({"crop_ratio": (2.0, 1.0)}, "the lesser first"),
        ({"blur_sigma": (-1.0, 2.0)}, "blur_sigma is"),
        ({"blur_kernel": 6}, "blur_kernel is 6. Choose an odd count"),
        ({"jitter": (2.0, 0.4, 0.2, 0.1)}, "jitter is .* Choose three numbers from 0 to 1"),
        ({"jitter": (0.4, 0.4, 0.2, 0.6)}, "one from 0 to 0.5"),
    ],
)
def test_changes_that_cannot_be_made_are_refused_before_any_picture_is_seen(wrong, text):
    with pytest.raises(ValueError, match=text):
        AugmentationConfig(**wrong)


@pytest.mark.parametrize(("value", "text"), [(-0.01, "-0.01 to 1"), (255.0, "0 to 255")])
def test_images_outside_the_range_are_refused(value, text):
    images = pictures()
    images[3, 1, 2, 2] = value
    with pytest.raises(ValueError, match=rf"values from {text}\. Pass RGB in \[0, 1\]"):
        augmented(images, MINDEYE1, seeded())


def test_images_that_are_not_numbers_are_refused():
    images = pictures()
    images[3, 1, 2, 2] = float("nan")
    with pytest.raises(ValueError, match="from nan to nan"):
        augmented(images, MINDEYE1, seeded())

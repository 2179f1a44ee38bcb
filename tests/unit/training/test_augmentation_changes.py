"""Each change by itself, against torchvision's definition of it."""

import math
from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import functional

from mindeye.training import augmentation
from mindeye.training.augmentation import (
    CHANCES,
    MINDEYE2_BLUR,
    AugmentationConfig,
    augmented,
    hue_shifted,
)

NOTHING = AugmentationConfig(**dict.fromkeys(CHANCES, 0.0))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 12, height: int = 16, width: int = 16) -> torch.Tensor:
    """Half of the values are at the ends of the range."""
    return (torch.rand(count, 3, height, width, generator=seeded(7)) * 2 - 0.5).clamp(0, 1)


def only(chance: str, **settings) -> AugmentationConfig:
    return replace(NOTHING, **{chance: 1.0}, **settings)


def test_flipping_is_exact():
    images = pictures()
    assert torch.equal(augmented(images, only("flip_chance"), seeded()), images.flip(-1))


def test_grey_is_torchvisions():
    images = pictures()
    expected = functional.rgb_to_grayscale(images, num_output_channels=3)
    assert torch.equal(augmented(images, only("grey_chance"), seeded()), expected)


@pytest.mark.parametrize("shift", [-0.5, -0.1, -0.03, 0.0, 0.07, 0.5])
@pytest.mark.parametrize("kind", ["any", "few", "grey"])
def test_shifted_hues_are_torchvisions(kind, shift):
    image = pictures(1)[0]
    image = {"any": image, "few": (image * 2).round() / 2, "grey": image[:1].expand(3, -1, -1)}[
        kind
    ]
    expected = functional.adjust_hue(image, shift)
    torch.testing.assert_close(hue_shifted(image, shift), expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("which", range(4))
def test_each_part_of_the_jitter_is_torchvisions_with_factors_all_over_its_range(
    which, monkeypatch
):
    names = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")
    reach = (0.4, 0.4, 0.2, 0.1)
    images = pictures(200, 6, 6)
    factors = []
    original = getattr(functional, names[which]) if which < 3 else hue_shifted

    def spy(image, factor):
        factors.append(factor)
        return original(image, factor)

    monkeypatch.setattr(
        *((functional, names[which]) if which < 3 else (augmentation, "hue_shifted")), spy
    )
    alone = tuple(value if place == which else 0.0 for place, value in enumerate(reach))
    changed = augmented(images, only("jitter_chance", jitter=alone), seeded())
    expected = [getattr(functional, names[which])(*pair) for pair in zip(images, factors)]
    torch.testing.assert_close(changed, torch.stack(expected), rtol=0, atol=5e-6)
    centre = 1.0 if which < 3 else 0.0
    assert min(factors) == pytest.approx(centre - reach[which], abs=0.05 * reach[which])
    assert max(factors) == pytest.approx(centre + reach[which], abs=0.05 * reach[which])
    assert min(factors) >= centre - reach[which]
    assert max(factors) <= centre + reach[which]


def test_the_jitter_comes_in_every_order(record):
    names = ("adjust_brightness", "adjust_contrast", "adjust_saturation")
    calls = record(*names)
    augmented(pictures(200, 4, 4), only("jitter_chance"), seeded())
    orders = [tuple(name for name, _ in calls[start : start + 3]) for start in range(0, 600, 3)]
    assert all(sorted(order) == sorted(names) for order in orders)
    assert len(set(orders)) == 6


def test_solarizing_lightens_then_inverts_what_exceeds_the_threshold(record):
    calls = record("solarize")
    ramp = torch.linspace(0, 1, 101).expand(300, 3, 1, -1)
    changed = augmented(ramp, only("solarize_chance"), seeded())
    thresholds = torch.tensor([threshold for _, threshold in calls])
    assert thresholds.min() >= 0.4
    assert thresholds.max() <= 0.6
    assert thresholds.max() - thresholds.min() > 0.19
    # No picture's middle is inverted at 0.3: there, the addition alone shows.
    added = changed[:, 0, 0, 25] - 0.25
    assert added.abs().max() <= 0.1
    assert added.max() - added.min() > 0.19
    lightened = (ramp + added.view(-1, 1, 1, 1)).clamp(0, 1)
    above = lightened >= thresholds.view(-1, 1, 1, 1)
    expected = torch.where(above, 1 - lightened, lightened)
    near = (lightened - thresholds.view(-1, 1, 1, 1)).abs() < 1e-5
    torch.testing.assert_close(changed[~near], expected[~near], rtol=0, atol=1e-6)


def test_blur_is_torchvisions_with_widths_all_over_the_range(record):
    calls = record("gaussian_blur")
    images = pictures(100, 8, 8)
    changed = augmented(images, only("blur_chance"), seeded())
    widths = [sigma[0] for _, kernel, sigma in calls]
    assert 0.1 <= min(widths) < 0.2
    assert 1.9 < max(widths) <= 2.0
    expected = [functional.gaussian_blur(one, 7, width) for one, width in zip(images, widths)]
    torch.testing.assert_close(changed, torch.stack(expected))


def crops_of(record, config: AugmentationConfig, height: int, width: int) -> torch.Tensor:
    """(top, left, rows, columns) of 300 crops."""
    calls = record("resized_crop")
    augmented(pictures(300, height, width), config, seeded())
    return torch.tensor([call[1:5] for call in calls])


def test_crops_have_areas_and_shapes_all_over_their_ranges_and_lie_anywhere(record):
    config = only("crop_chance", crop_scale=(0.1, 0.5))
    top, left, rows, columns = crops_of(record, config, 90, 120).double().unbind(1)
    assert len(top) == 300
    areas, ratios = rows * columns / (90 * 120), columns / rows
    assert areas.min().item() == pytest.approx(0.1, abs=0.02)
    assert areas.max().item() == pytest.approx(0.5, abs=0.02)
    assert areas.mean().item() == pytest.approx(0.3, abs=4 * 0.4 / math.sqrt(12 * 300))
    assert ratios.min().item() == pytest.approx(3 / 4, abs=0.03)
    assert ratios.max().item() == pytest.approx(4 / 3, abs=0.03)
    spread = 4 * 2 * math.log(4 / 3) / math.sqrt(12 * 300)
    assert ratios.log().mean().item() == pytest.approx(0, abs=spread)
    for start, part, whole in ((top, rows, 90), (left, columns, 120)):
        assert start.min() >= 0
        assert (start + part <= whole).all()
        share = start / (whole - part)
        assert share.min() < 0.03
        assert share.max() > 0.97
        assert share.mean().item() == pytest.approx(0.5, abs=4 / math.sqrt(12 * 300))


def test_a_crop_is_stretched_to_the_whole(record):
    images = pictures(300, 24, 24)
    config = only("crop_chance")
    crops = crops_of(record, config, 24, 24).tolist()
    for image, (top, left, rows, columns), found in zip(
        images[:20], crops, augmented(images, config, seeded())
    ):
        part = image[None, :, top : top + rows, left : left + columns]
        stretched = torch.nn.functional.interpolate(part, (24, 24), mode="bilinear")[0]
        torch.testing.assert_close(found, stretched)


def test_mindeye2_crops_nine_tenths_as_a_square(record):
    crops = crops_of(record, MINDEYE2_BLUR, 64, 64)
    assert set(crops[:, 2].tolist()) == set(crops[:, 3].tolist()) == {round(64 * 0.9**0.5)}


def test_a_picture_into_which_no_crop_fits_stays_whole():
    images = pictures(4, 8, 64)
    config = only("crop_chance", crop_scale=(0.9, 1.0), crop_ratio=(1.0, 1.0))
    assert torch.equal(augmented(images, config, seeded()), images)


def test_shapes_of_crops_are_uniform_in_the_logarithm(record):
    config = only("crop_chance", crop_scale=(0.05, 0.05), crop_ratio=(0.25, 1.0))
    _, _, rows, columns = crops_of(record, config, 96, 96).double().unbind(1)
    logs = (columns / rows).log()
    error = 4 * math.log(4) / math.sqrt(12 * 300)
    assert logs.mean().item() == pytest.approx(-math.log(4) / 2, abs=error)


def test_parts_of_the_jitter_are_drawn_independently(record):
    calls = record("adjust_brightness", "adjust_contrast", "adjust_saturation")
    augmented(pictures(300, 4, 4), only("jitter_chance"), seeded())
    factors = {name: [] for name, _ in calls}
    for name, factor in calls:
        factors[name].append(factor)
    correlations = torch.tensor(list(factors.values())).corrcoef() - torch.eye(3)
    assert correlations.abs().max() < 4 / math.sqrt(300)

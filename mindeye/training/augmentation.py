"""Random changes of the training pictures, as in the published trainings."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2 import functional


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Which changes a picture may meet, in their order. The defaults are MindEye1's.

    A chance is the share of pictures that are changed; a change with chance 0 never happens.
    """

    crop_chance: float = 0.3
    """A part of the picture is cut out and stretched to the whole."""
    crop_scale: tuple[float, float] = (0.6, 1.0)
    """Least and greatest area of the part, as a share of the picture's."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and greatest width per height of the part."""
    crop_last: bool = False
    """Behind all other changes instead of before them."""
    flip_chance: float = 0.5
    """The picture is mirrored, left for right."""
    jitter_chance: float = 0.3
    """Brightness, contrast, saturation and hue change, in random order."""
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    """Greatest change of brightness, contrast and saturation (factors around 1) and of hue (a part
    of the colour circle)."""
    grey_chance: float = 0.3
    solarize_chance: float = 0.0
    """The picture is made lighter or darker by up to 0.1; what then exceeds a threshold between 0.4
    and 0.6 is inverted."""
    blur_chance: float = 0.0
    blur_kernel: int = 7
    """Pixels a side, whatever the side of the picture."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Least and greatest standard deviation in pixels."""

    def __post_init__(self) -> None:
        for name in CHANCES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Choose a share from 0 to 1.")
        least, greatest = self.crop_scale
        if not 0 < least <= greatest <= 1:
            raise ValueError(
                f"crop_scale is ({least}, {greatest}). Choose two shares of the picture's area "
                "above 0 and up to 1, the lesser first."
            )
        for name in ("crop_ratio", "blur_sigma"):
            least, greatest = getattr(self, name)
            if not 0 < least <= greatest < math.inf:
                raise ValueError(
                    f"{name} is ({least}, {greatest}). Choose two numbers above 0, "
                    "the lesser first."
                )
        if self.blur_kernel < 1 or self.blur_kernel % 2 == 0:
            raise ValueError(f"blur_kernel is {self.blur_kernel}. Choose an odd count of pixels.")
        *factors, hue = self.jitter
        if not all(0 <= one <= 1 for one in factors) or not 0 <= hue <= 0.5:
            raise ValueError(
                f"jitter is {self.jitter}. Choose three numbers from 0 to 1 and, for the hue, "
                "one from 0 to 0.5."
            )


CHANCES = (
    *("crop_chance", "flip_chance", "jitter_chance"),
    *("grey_chance", "solarize_chance", "blur_chance"),
)
MINDEYE1 = AugmentationConfig()
"""Of the pictures whose CLIP tokens are learned (arXiv:2305.18274, released training program)."""
MINDEYE1_LOW_LEVEL = AugmentationConfig(
    crop_chance=1.0,
    crop_scale=(0.5, 1.0),
    crop_last=True,
    flip_chance=0.0,
    jitter_chance=0.8,
    grey_chance=0.2,
    solarize_chance=0.2,
    blur_chance=0.1,
)
"""Of the second view whose feature maps the low-level network learns. Published at 512 pixels a
side: on smaller pictures the same blur is a stronger one."""
MINDEYE2_BLUR = AugmentationConfig(
    crop_chance=1.0,
    crop_scale=(0.9, 0.9),
    crop_ratio=(1.0, 1.0),
    crop_last=True,
    flip_chance=0.0,
    jitter_chance=0.8,
    grey_chance=0.1,
    solarize_chance=0.1,
)
"""The same in MindEye2 (arXiv:2403.11207), whose other pictures are not augmented."""

CROP_TRIES = 10
# One row of uniform numbers an image, always of this layout: what one image meets depends neither
# on the other images nor on which changes are switched on.
_LAYOUT = {
    **dict.fromkeys(CHANCES, 1),
    "jitter": 4,
    "jitter_order": 4,
    "solarize": 2,
    "blur": 1,
    "crop_area": CROP_TRIES,
    "crop_ratio": CROP_TRIES,
    "crop_place": 2,
}
Draw = dict[str, list[float]]


def augmented(
    images: Float[Tensor, "images 3 height width"],
    config: AugmentationConfig,
    generator: torch.Generator,
) -> Float[Tensor, "images 3 height width"]:
    """Every image changed by its own draw: RGB in [0, 1], and as large as before.

    The published programs also bring pictures to the side that a frozen network takes; that is
    left to the network, which resizes whatever it is given. They crop all pictures of a batch or
    none, with that chance, draw the order of the colour changes once a batch, and sample crops from
    corner to corner (up to half a pixel off at the rim).

    Args:
        generator: on the CPU whatever the device; every image takes the same count of numbers.

    Raises:
        ValueError: values outside [0, 1] (or none that can be compared).

    Source: MindEye1 (arXiv:2305.18274) and MindEye2 (arXiv:2403.11207), released programs, with
    the definitions of torchvision.
    """
    if images.numel():
        low, high = (value.item() for value in images.aminmax())
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f"These images have values from {low:.4g} to {high:.4g}. Pass RGB in [0, 1], "
                "before any normalisation."
            )
    changed = images.clone()
    rows = torch.rand(len(images), sum(_LAYOUT.values()), generator=generator)
    parts = [part.tolist() for part in rows.split(list(_LAYOUT.values()), dim=1)]
    for place, draw in enumerate(zip(*parts)):
        changed[place] = _augmented_one(images[place], dict(zip(_LAYOUT, draw)), config)
    return changed


def _augmented_one(
    image: Float[Tensor, "3 height width"], draw: Draw, config: AugmentationConfig
) -> Float[Tensor, "3 height width"]:
    drawn = {name: draw[name][0] < getattr(config, name) for name in CHANCES}
    if drawn["crop_chance"] and not config.crop_last:
        image = _cropped(image, draw, config)
    if drawn["flip_chance"]:
        image = functional.horizontal_flip(image)
    if drawn["jitter_chance"]:
        image = _jittered(image, draw, config)
    if drawn["grey_chance"]:
        image = functional.rgb_to_grayscale(image, num_output_channels=3)
    if drawn["solarize_chance"]:
        added, threshold = (_between(-0.1, 0.1, share) for share in draw["solarize"])
        image = functional.solarize((image + added).clamp(0, 1), 0.5 + threshold)
    if drawn["blur_chance"]:
        sigma = _between(*config.blur_sigma, draw["blur"][0])
        # A kernel in float32 sums to one only nearly.
        image = functional.gaussian_blur(image, [config.blur_kernel] * 2, [sigma] * 2).clamp(0, 1)
    if drawn["crop_chance"] and config.crop_last:
        image = _cropped(image, draw, config)
    return image


def _jittered(
    image: Float[Tensor, "3 height width"], draw: Draw, config: AugmentationConfig
) -> Float[Tensor, "3 height width"]:
    changes = (
        (functional.adjust_brightness, 1.0),
        (functional.adjust_contrast, 1.0),
        (functional.adjust_saturation, 1.0),
        (hue_shifted, 0.0),
    )
    for which in sorted(range(4), key=draw["jitter_order"].__getitem__):
        change, centre = changes[which]
        reach = config.jitter[which]
        image = change(image, _between(centre - reach, centre + reach, draw["jitter"][which]))
    return image


def hue_shifted(
    image: Float[Tensor, "3 height width"], shift: float
) -> Float[Tensor, "3 height width"]:
    """Colours moved along the colour circle by a share of it.

    The same as torchvision's `adjust_hue` but for rounding, in a third of its time.
    """
    red, green, blue = image
    high = torch.maximum(torch.maximum(red, green), blue)
    chroma = high - torch.minimum(torch.minimum(red, green), blue)
    is_red, is_green = high == red, high == green
    lead = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sixths = torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0))
    # Without chroma the lead is zero: a grey keeps its value whatever its hue.
    hue = (sixths + lead / chroma.clamp_min(torch.finfo(chroma.dtype).tiny)) / 6 + shift
    # A channel is at its lowest from two to four sixths away from `high`, counted by `steps`.
    steps = hue + image.new_tensor([5 / 6, 3 / 6, 1 / 6]).view(3, 1, 1)
    steps = 6 * (steps - steps.floor())
    fallen = torch.minimum(steps, 4 - steps).clamp(0, 1)
    return (high - chroma * fallen).clamp(0, 1)


def _cropped(
    image: Float[Tensor, "3 height width"], draw: Draw, config: AugmentationConfig
) -> Float[Tensor, "3 height width"]:
    """The first part that fits into the picture, stretched; the whole if none of ten does."""
    height, width = image.shape[1:]
    for area_share, ratio_share in zip(draw["crop_area"], draw["crop_ratio"]):
        area = _between(*config.crop_scale, area_share) * height * width
        ratio = math.exp(_between(*map(math.log, config.crop_ratio), ratio_share))
        rows, columns = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < rows <= height and 0 < columns <= width:
            top = int(draw["crop_place"][0] * (height - rows + 1))
            left = int(draw["crop_place"][1] * (width - columns + 1))
            return functional.resized_crop(image, top, left, rows, columns, [height, width])
    return image


def _between(least: float, greatest: float, share: float) -> float:
    return least + (greatest - least) * share

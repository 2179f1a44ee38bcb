"""What the numbers of a picture mean: 8 bits, [0, 1], or what the user says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.reconstruction.saved_pictures.stored import Block

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"0..1": (0.0, 1.0), "0..255": (0.0, 255.0), "-1..1": (-1.0, 1.0)}
)
# Rounding of half precision and of resizing; what lies within is clamped without a word.
TOLERANCE = 2e-3


class Extremes(NamedTuple):
    """Lowest and highest value of all pictures."""

    low: float
    high: float


def range_of(
    name: str, option: str, dtype: np.dtype, extremes: Extremes, asked: str | None
) -> tuple[str, str | None]:
    """The range that values are taken to have, and a note where some are clamped.

    Whole numbers of 8 bits are 0..255 and floats within [0, 1] are 0..1; whatever else floats
    hold has several meanings, and is refused unless the user says which.

    Args:
        option: how the user can say it, for the message.

    Raises:
        ValueError: several meanings, or values outside of what was said.
    """
    if asked is None:
        return _range_told_by_values(name, option, dtype, extremes), None
    low, high = RANGES[asked]
    width, slack = high - low, TOLERANCE * (high - low)
    inside = low - slack <= extremes.low and extremes.high <= high + slack
    # An 8-bit picture in 0..1 has no grey; one in 0..255 that ends at 1 is black.
    fills = extremes.high > 1.5 if asked == "0..255" else asked == "0..1" or extremes.low < -slack
    if dtype.kind != "f" and asked != "0..255":
        raise ValueError(f"{name} holds {dtype}, which cannot be {asked}. Leave {option} out.")
    if asked == "0..1" and not inside and extremes.low > -0.5 and extremes.high < low + 1.5 * width:
        return asked, f"Values from {extremes.low:.3g} to {extremes.high:.3g} were clamped to 0..1."
    if not inside or not fills:
        raise ValueError(
            f"{name} has values from {extremes.low:.3g} to {extremes.high:.3g}, which is not "
            f"{asked}. Look at what was saved, and pass another {option}."
        )
    return asked, None


def as_unit_images(block: Block, value_range: str) -> Float[Tensor, "chosen 3 height width"]:
    """Stored values -> RGB in [0, 1], channels first; what lies outside is clamped."""
    low, high = RANGES[value_range]
    images = torch.from_numpy(np.ascontiguousarray(block)).movedim(-1, 1).float()
    if (low, high) != (0.0, 1.0):
        images = (images - low) / (high - low)
    return images.clamp(0, 1).expand(-1, 3, -1, -1)


def _range_told_by_values(name: str, option: str, dtype: np.dtype, extremes: Extremes) -> str:
    low, high = extremes
    if dtype == np.uint8:
        if high <= 1:
            raise ValueError(
                f"{name} holds uint8 values of {low:g} and {high:g} alone: pictures of [0, 1] that "
                "lost their decimals. Save them as floats, or times 255."
            )
        return "0..255"
    if dtype.kind == "f" and low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return "0..1"
    likely = "-1..1" if low < 0 and high <= 1.1 else "0..255" if low >= -1 and high > 2 else "0..1"
    raise ValueError(
        f"{name} has {dtype} values from {low:.4g} to {high:.4g}, neither 8-bit nor within [0, 1]. "
        f"If they mean {likely}, pass {option}={likely}."
    )

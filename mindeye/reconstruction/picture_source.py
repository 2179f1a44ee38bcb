"""Pictures block by block, checked once, so that any number of them can be scored."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from mindeye.metrics.pairs import positions, require_variance
from mindeye.pictures import as_images

Pictures = UInt8[np.ndarray, "_images _height _width 3"] | Float[np.ndarray, "_images _h _w 3"]
# Pictures looked at a time: 35 MB at 425 px.
BLOCK = 16
# Below this standard deviation a picture says nothing.
BLANK = 1e-4


@dataclass(frozen=True, kw_only=True)
class PictureSource:
    """Pictures as an array has them, perhaps on disk: uint8, or floats in [0, 1]."""

    pictures: Pictures
    blank: Bool[Tensor, "images"]
    """Pictures without any variance."""

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self, start: int, stop: int) -> Float[Tensor, "images 3 height width"]:
        """Channels first; a ramp stands for a blank picture, which has no correlation."""
        images = _images(self.pictures[start:stop])
        blank = self.blank[start:stop]
        if not blank.any():
            return images
        ramp = torch.linspace(0, 1, images.shape[-1]).expand(images.shape)
        return torch.where(blank.view(-1, 1, 1, 1), ramp, images)

    def blocks(self, size: int) -> Iterator[Float[Tensor, "images 3 height width"]]:
        """All images, so many at a time."""
        for start in range(0, len(self), size):
            yield self.images(start, start + size)


def drawn_source(pictures: Pictures) -> PictureSource:
    """Reconstructions: a blank one is allowed.

    Raises:
        ValueError: values outside [0, 1].
        FloatingPointError: NaN or infinity.
    """
    spread, _ = _looked_at("Reconstructions", pictures)
    return PictureSource(pictures=pictures, blank=spread < BLANK)


def shown_source(pictures: Pictures) -> PictureSource:
    """Shown pictures: none is blank.

    Raises:
        ValueError: values outside [0, 1], or a picture without variance.
        FloatingPointError: NaN or infinity.
    """
    _, constant = _looked_at("Seen images", pictures)
    require_variance("seen images", constant)
    return PictureSource(pictures=pictures, blank=torch.zeros(len(pictures), dtype=torch.bool))


def _looked_at(
    name: str, pictures: Pictures
) -> tuple[Float[Tensor, "images"], Bool[Tensor, "images"]]:
    """Whether each picture varies (its standard deviation, or more than `BLANK`), and whether at
    all.
    """
    spreads, constants = [], []
    for start in range(0, len(pictures), BLOCK):
        # Values in the order of the disk: turning channels first would cost more than looking.
        values = _values(pictures, slice(start, start + BLOCK)).flatten(1)
        low, high = (one.float() / _highest(values) for one in (values.amin(1), values.amax(1)))
        _require_unit_range(name, low, high, start)
        # Lowest and highest value alone make some variance; few pictures need to be counted out.
        spread = (high - low) / (2 * values.shape[1]) ** 0.5
        for place in torch.nonzero(spread < BLANK).flatten().tolist():
            spread[place] = (values[place].float() / _highest(values)).std()
        spreads.append(spread)
        constants.append(low == high)
    return torch.cat(spreads), torch.cat(constants)


def _highest(values: Tensor) -> int:
    """What stands for 1."""
    return 255 if values.dtype == torch.uint8 else 1


def _require_unit_range(
    name: str, low: Float[Tensor, "images"], high: Float[Tensor, "images"], start: int
) -> None:
    bad = ~torch.isfinite(low + high)
    if bad.any():
        places = [start + place for place in positions(bad)]
        raise FloatingPointError(
            f"{name} hold NaN or infinity, first at positions {places}. "
            "Look at the step that made them."
        )
    if low.min() < -1e-4 or high.max() > 1 + 1e-4:
        raise ValueError(
            f"{name} have values from {low.min().item():.3g} to {high.max().item():.3g}, but "
            "[0, 1] or uint8 is needed. Divide by 255, map [-1, 1] to [0, 1], or clamp."
        )


def _images(pictures: Pictures) -> Float[Tensor, "images 3 height width"]:
    if pictures.dtype == np.uint8:
        images = as_images(pictures)
        _give_pages_back(pictures)
        return images
    return _values(pictures, slice(None)).permute(0, 3, 1, 2)


def _values(pictures: Pictures, places: slice) -> Tensor:
    """A copy of some pictures as they are stored; floats in single precision."""
    values = np.array(pictures[places])
    _give_pages_back(pictures)
    return torch.from_numpy(
        values if values.dtype == np.uint8 else values.astype(np.float32, copy=False)
    )


def _give_pages_back(pictures: Pictures) -> None:
    """Pages of a mapped file that have been read count as ours until memory is short."""
    mapped = getattr(pictures, "_mmap", None)
    if mapped is not None and pictures.mode == "r" and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)

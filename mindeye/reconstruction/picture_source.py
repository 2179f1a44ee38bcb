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
    """The standard deviation of each picture, and whether all its values are equal."""
    spreads, constants = [], []
    for start in range(0, len(pictures), BLOCK):
        images = _images(pictures[start : start + BLOCK]).flatten(1)
        low, high = images.aminmax(dim=1)
        _require_unit_range(name, low, high, start)
        spreads.append(images.std(1))
        constants.append(low == high)
    return torch.cat(spreads), torch.cat(constants)


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
    images = _floats(pictures)
    mapped = getattr(pictures, "_mmap", None)
    if mapped is not None and pictures.mode == "r" and hasattr(mapped, "madvise"):
        # Pages of the file that have been read would count as ours until memory is short.
        mapped.madvise(mmap.MADV_DONTNEED)
    return images


def _floats(pictures: Pictures) -> Float[Tensor, "images 3 height width"]:
    if pictures.dtype == np.uint8:
        return as_images(pictures)
    return torch.from_numpy(np.array(pictures, dtype=np.float32)).permute(0, 3, 1, 2)

"""Pixel metrics, one value per image: Pearson correlation and structural similarity."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from mindeye.metrics.pairs import refuse_not_finite, require_same_shape, require_variance
from mindeye.metrics.similarity_map import RADIUS, grey, similarity_of_pair


def resize(
    images: Float[Tensor, "images channels height width"],
    side: int,
    *,
    antialias: bool,
    interpolation: str = "bilinear",
) -> Float[Tensor, "images channels side side"]:
    """Resizes as torchvision's `Resize` does on tensors; bicubic overshoot is cut off.

    `antialias` has no default because torchvision's changed from False to True in 0.17 and moves
    published numbers (SSIM by up to 0.1 on images with fine texture).
    """
    if tuple(images.shape[-2:]) == (side, side):
        return images
    resized = interpolate(
        images,
        size=(side, side),
        mode=interpolation,
        align_corners=False,
        antialias=antialias,
    )
    return resized.clamp(0, 1) if interpolation == "bicubic" else resized


@dataclass(frozen=True, kw_only=True)
class ResizeChain:
    """The sizes that both pictures pass through before they are compared."""

    sides: tuple[int, ...] = ()
    """In order; empty leaves pictures as they are."""
    antialias: bool = True
    interpolation: str = "bilinear"
    """Of the last step: bilinear or bicubic; all before it are bilinear."""

    def __call__(
        self, images: Float[Tensor, "images channels height width"]
    ) -> Float[Tensor, "images channels new_height new_width"]:
        for side in self.sides[:-1]:
            images = resize(images, side, antialias=self.antialias)
        for side in self.sides[-1:]:
            images = resize(
                images, side, antialias=self.antialias, interpolation=self.interpolation
            )
        return images

    def describe(self) -> str:
        """For provenance and table captions."""
        if not self.sides:
            return "native size"
        setting = "on" if self.antialias else "off"
        return (
            f"{' then '.join(map(str, self.sides))} px, {self.interpolation}, antialias {setting}"
        )


NATIVE = ResizeChain()
# Everything first passes through 256; the authors' torchvision (0.15, 0.16) did not antialias.
# Source: fMRI-reconstruction-NSD, Reconstruction_Metrics.py:104-106.
PUBLISHED = ResizeChain(sides=(256, 425), antialias=False)


def pixel_correlation(
    reconstructed: Float[Tensor, "images *features"],
    seen: Float[Tensor, "_images *_features"],
    chain: ResizeChain = NATIVE,
) -> Float[Tensor, "images"]:
    """Pearson correlation of each reconstruction with its image over all values (PixCorr).

    Pictures of different sizes are compared after `chain`; plain feature rows take no chain.

    Raises:
        ValueError: other counts or sizes, values outside [0, 1], or a picture without variance.
        FloatingPointError: NaN or infinity.
    """
    pairs = _Pairs(reconstructed, seen, chain)
    result = torch.empty(len(seen), dtype=torch.float64, device=seen.device)
    room = None
    # One image at a time: batches of whole pictures leave the cache and are four times slower.
    for index, pair in enumerate(pairs):
        first, second = (picture.flatten() for picture in pair)
        # In place in memory of our own: fresh memory costs more than the arithmetic.
        room = _room_like(first, room)
        for values, centred in zip((first, second), room, strict=False):
            torch.sub(values, values.mean(), out=centred)
        # Sums, not dot products: torch sums in a tree (2e-8), BLAS in a row (2e-6 in float32).
        squares = [
            torch.mul(one, other, out=room[2]).sum().double()
            for one, other in ((room[0], room[0]), (room[1], room[1]), (room[0], room[1]))
        ]
        result[index] = squares[2] / (squares[0] * squares[1]).sqrt()
    pairs.require_sound(is_correlated=True)
    return result


def _room_like(
    values: Float[Tensor, "values"], room: Float[Tensor, "3 _values"] | None
) -> Float[Tensor, "3 values"]:
    fits = room is not None and room.shape[1] == len(values)
    return room if fits else values.new_empty(3, len(values))


def structural_similarity(
    reconstructed: Float[Tensor, "images channels height width"],
    seen: Float[Tensor, "_images channels _height _width"],
    chain: ResizeChain = NATIVE,
    *,
    by_columns: bool = False,
) -> Float[Tensor, "images"]:
    """Mean structural similarity of each reconstruction with its image, on grey.

    The definition of `skimage.metrics.structural_similarity` with gaussian_weights=True,
    sigma=1.5, use_sample_covariance=False, data_range=1, after `rgb2gray`: equal to 1e-6 and
    about three times faster, because the border that it leaves out of the mean is not computed.

    Args:
        by_columns: each column is compared by itself, with a window of one dimension. That is
            what the published call (multichannel=True on grey) did in scikit-image before 0.20.

    Raises:
        ValueError: other counts or sizes, values outside [0, 1], or a side under 11 px.
        FloatingPointError: NaN or infinity.
    """
    pairs = _Pairs(reconstructed, seen, chain)
    result = torch.empty(len(seen), dtype=torch.float64, device=seen.device)
    for index, (first, second) in enumerate(pairs):
        if min(first.shape[-2:]) < 2 * RADIUS + 1:
            raise ValueError(
                f"Pictures of {tuple(first.shape[-2:])} px are smaller than the {2 * RADIUS + 1} "
                "px window of structural similarity. Resize them first."
            )
        result[index] = similarity_of_pair(grey(first), grey(second), by_columns)
    pairs.require_sound(is_correlated=False)
    return result


class _Pairs:
    """Both pictures of each image in turn, resized; what was wrong is known at the end.

    Looking for it while a picture is in the cache costs a tenth of looking at all before.
    """

    def __init__(self, reconstructed: Tensor, seen: Tensor, chain: ResizeChain) -> None:
        if chain.sides and (reconstructed.ndim != 4 or seen.ndim != 4):
            raise ValueError(
                f"A resize chain ({chain.describe()}) needs pictures (images, channels, height, "
                f"width), not shape {tuple(seen.shape)}. Compare feature rows without a chain."
            )
        last = -2 if chain.sides else None
        require_same_shape(tuple(reconstructed.shape), tuple(seen.shape), slice(1, last))
        self.both, self.chain = (reconstructed, seen), chain
        self.stored = seen.new_zeros(2, len(seen), 2, dtype=torch.float64)
        self.resized = self.stored.clone()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        kinds = [images.dtype for images in self.both]
        dtype = torch.promote_types(torch.promote_types(*kinds), torch.float32)
        for index in range(len(self.both[0])):
            pair = [images[index : index + 1].to(dtype) for images in self.both]
            for side, image in enumerate(pair):
                self.stored[side, index] = _extent(image)
                if self.chain.sides:
                    pair[side] = self.chain(image)
                    self.resized[side, index] = _extent(pair[side])
            yield pair[0][0], pair[1][0]

    def require_sound(self, *, is_correlated: bool) -> None:
        """Refuses NaN, values outside [0, 1], and for correlation pictures without variance."""
        names = ("reconstructions", "seen images")
        for name, extent in zip(names, self.stored, strict=True):
            refuse_not_finite(name, ~torch.isfinite(extent.sum(1)))
        for name, extent in zip(names, self.stored, strict=True):
            if self.both[1].ndim == 4:
                _require_unit_range(name.capitalize(), extent)
        if is_correlated:
            compared = self.resized if self.chain.sides else self.stored
            for name, extent in zip(names, compared, strict=True):
                require_variance(name, extent[:, 0] == extent[:, 1])


def _extent(image: Float[Tensor, "1 *features"]) -> Float[Tensor, "2"]:
    """Lowest and highest value; NaN where one is NaN."""
    # Each by itself is faster than torch.aminmax.
    return torch.stack([image.amin(), image.amax()])


def _require_unit_range(name: str, extent: Float[Tensor, "images 2"]) -> None:
    low, high = extent[:, 0].amin().item(), extent[:, 1].amax().item()
    if low < -1e-4 or high > 1 + 1e-4:
        raise ValueError(
            f"{name} have values from {low:.3g} to {high:.3g}, but [0, 1] is needed. "
            "Divide by 255, map [-1, 1] to [0, 1], or clamp."
        )

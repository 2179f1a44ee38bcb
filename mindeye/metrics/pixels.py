"""Pixel metrics, one value per image: Pearson correlation and structural similarity."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from mindeye.metrics.pairs import require_pairs, require_variance

# Structural similarity of scikit-image with gaussian_weights=True, sigma=1.5: truncate 3.5.
SIGMA = 1.5
RADIUS = 5
STABILISER_MEAN = 0.01**2
STABILISER_VARIANCE = 0.03**2
# skimage.color.rgb2gray (CRT luminance).
LUMINANCE = (0.2125, 0.7154, 0.0721)
# Rows filtered at a time, so that the maps of a strip stay in the processor's cache (2.5 x).
STRIP = 64


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
    _require_comparable(reconstructed, seen, chain)
    device = seen.device
    result = torch.empty(len(seen), dtype=torch.float64, device=device)
    constant = torch.zeros(2, len(seen), dtype=torch.bool, device=device)
    # One image at a time: batches of whole pictures leave the cache and are four times slower.
    for index, pair in enumerate(_resized_pairs(reconstructed, seen, chain)):
        first, second = (picture.flatten() for picture in pair)
        constant[0, index] = first.amin() == first.amax()
        constant[1, index] = second.amin() == second.amax()
        first, second = first - first.mean(), second - second.mean()
        # Sums, not dot products: torch sums in a tree (2e-8), BLAS in a row (2e-6 in float32).
        norms = first.square().sum().double() * second.square().sum().double()
        result[index] = (first * second).sum().double() / norms.sqrt()
    require_variance("reconstructions", constant[0])
    require_variance("seen images", constant[1])
    return result


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
    _require_comparable(reconstructed, seen, chain)
    result = torch.empty(len(seen), dtype=torch.float64, device=seen.device)
    for index, (first, second) in enumerate(_resized_pairs(reconstructed, seen, chain)):
        if min(first.shape[-2:]) < 2 * RADIUS + 1:
            raise ValueError(
                f"Pictures of {tuple(first.shape[-2:])} px are smaller than the {2 * RADIUS + 1} "
                "px window of structural similarity. Resize them first."
            )
        result[index] = _similarity_of_pair(grey(first), grey(second), by_columns)
    return result


def grey(
    image: Float[Tensor, "channels height width"],
) -> Float[Tensor, "height width"]:
    """Luminance of an RGB picture; a picture of one channel as it is."""
    if len(image) == 1:
        return image[0]
    red, green, blue = image
    return red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]


def _similarity_of_pair(
    first: Float[Tensor, "height width"], second: Float[Tensor, "height width"], by_columns: bool
) -> Float[Tensor, ""]:
    height, width = first.shape
    num_rows = height - 2 * RADIUS
    num_columns = width if by_columns else width - 2 * RADIUS
    total = torch.zeros((), dtype=torch.float64, device=first.device)
    for top in range(0, num_rows, STRIP):
        rows = slice(top, min(top + STRIP, num_rows) + 2 * RADIUS)
        total += _similarity_map(first[rows], second[rows], by_columns).sum(dtype=torch.float64)
    return total / (num_rows * num_columns)


def _similarity_map(
    first: Float[Tensor, "height width"], second: Float[Tensor, "height width"], by_columns: bool
) -> Float[Tensor, "inner_height inner_width"]:
    """Wang et al. 2004, equation 13; the two variances are only ever needed as a sum."""
    # Variances do not depend on the origin; around the mean, squares lose fewer digits in float32.
    centre_x, centre_y = first.mean(), second.mean()
    x, y = first - centre_x, second - centre_y
    maps = torch.stack([x, y, x * x + y * y, x * y])
    blurred = _gaussian(maps, 1)
    mean_x, mean_y, square, product = blurred if by_columns else _gaussian(blurred, 2)
    covariance = product - mean_x * mean_y
    variances = square - mean_x * mean_x - mean_y * mean_y
    mean_x, mean_y = mean_x + centre_x, mean_y + centre_y
    above = (2 * mean_x * mean_y + STABILISER_MEAN) * (2 * covariance + STABILISER_VARIANCE)
    below = (mean_x**2 + mean_y**2 + STABILISER_MEAN) * (variances + STABILISER_VARIANCE)
    return above / below


def _gaussian(maps: Float[Tensor, "maps rows columns"], axis: int) -> Float[Tensor, "maps _ _"]:
    """Gaussian blur along one axis where the whole window lies inside; 2 * RADIUS shorter."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).tolist()
    length = maps.shape[axis] - 2 * RADIUS
    blurred = maps.narrow(axis, RADIUS, length) * weights[RADIUS]
    for start in range(RADIUS):
        mirrored = maps.narrow(axis, 2 * RADIUS - start, length)
        blurred.add_(maps.narrow(axis, start, length) + mirrored, alpha=weights[start])
    return blurred


def _require_comparable(reconstructed: Tensor, seen: Tensor, chain: ResizeChain) -> None:
    if chain.sides and (reconstructed.ndim != 4 or seen.ndim != 4):
        raise ValueError(
            f"A resize chain ({chain.describe()}) needs pictures (images, channels, height, "
            f"width), not shape {tuple(seen.shape)}. Compare feature rows without a chain."
        )
    require_pairs(reconstructed, seen, same_size=not chain.sides)
    if seen.ndim == 4:
        _require_unit_range("Reconstructions", reconstructed)
        _require_unit_range("Seen images", seen)


def _require_unit_range(name: str, images: Float[Tensor, "images channels height width"]) -> None:
    low, high = (value.item() for value in torch.aminmax(images))
    if low < -1e-4 or high > 1 + 1e-4:
        raise ValueError(
            f"{name} have values from {low:.3g} to {high:.3g}, but [0, 1] is needed. "
            "Divide by 255, map [-1, 1] to [0, 1], or clamp."
        )


def _resized_pairs(
    reconstructed: Tensor, seen: Tensor, chain: ResizeChain
) -> Iterator[tuple[Tensor, Tensor]]:
    dtype = torch.promote_types(torch.promote_types(reconstructed.dtype, seen.dtype), torch.float32)
    for index in range(len(seen)):
        pair = (images[index : index + 1].to(dtype) for images in (reconstructed, seen))
        first, second = (chain(image)[0] if chain.sides else image[0] for image in pair)
        yield first, second

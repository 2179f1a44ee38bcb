"""The map behind structural similarity: Gaussian windows over two grey pictures."""

import torch
from jaxtyping import Float
from torch import Tensor

# Structural similarity of scikit-image with gaussian_weights=True, sigma=1.5: truncate 3.5.
SIGMA = 1.5
RADIUS = 5
STABILISER_MEAN = 0.01**2
STABILISER_VARIANCE = 0.03**2
# skimage.color.rgb2gray (CRT luminance).
LUMINANCE = (0.2125, 0.7154, 0.0721)
# Rows filtered at a time, so that the maps of a strip stay in the processor's cache (2.5 x).
STRIP = 64


def grey(
    image: Float[Tensor, "channels height width"],
) -> Float[Tensor, "height width"]:
    """Luminance of an RGB picture; a picture of one channel as it is."""
    if len(image) == 1:
        return image[0]
    red, green, blue = image
    return red * LUMINANCE[0] + green * LUMINANCE[1] + blue * LUMINANCE[2]


def similarity_of_pair(
    first: Float[Tensor, "height width"], second: Float[Tensor, "height width"], by_columns: bool
) -> Float[Tensor, ""]:
    """Mean of the similarity map of two grey pictures where the whole window lies inside."""
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

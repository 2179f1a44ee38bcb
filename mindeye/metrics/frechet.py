"""Frechet distance between the features of two sets of pictures: one number a set, and biased.

It grows as sets become smaller, so that numbers of other counts cannot be compared: every result
carries its count and what a straight line through 1 / count says of infinitely many pictures
(Chong and Forsyth 2020, arXiv:1911.07023). Features here are those of torchvision's InceptionV3;
published FIDs take another port of its weights and of its resizing: numbers of the two differ.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from mindeye.metrics.pairs import require_finite

NAME = "FID (torchvision InceptionV3)"
# Below it the bias is most of the number: 2,048 features, and a mean and covariance of few images.
FEWEST_IMAGES = 500
# Sizes of random parts that the line goes through, as shares of all images.
SHARES = np.linspace(0.5, 1, 10)
# A bootstrap repeats images, which biases the distance further; leaving some out repeats none.
BLOCKS = 10


@dataclass(frozen=True, kw_only=True)
class Frechet:
    """A distance between two sets and what must be known of it."""

    value: float
    """At `num_images` in either set; biased upwards."""
    extrapolated: float
    """What the same line says of infinitely many; may be below zero where both sets agree."""
    num_images: int
    low: float
    """Lower end of the 95 % interval over images, around the value that is biased."""
    high: float

    def describe(self) -> str:
        """The sentence that has to stand beside the number."""
        return (
            f"{NAME} {self.value:.2f} at {self.num_images} images in either set (biased upwards: "
            f"compare only at the same count), {self.extrapolated:.2f} extrapolated to infinitely "
            "many; not comparable with FIDs of the original weights"
        )


def frechet(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "_images features"],
    rng: np.random.Generator,
) -> Frechet:
    """Distance of reconstructions from seen pictures as sets; which belongs to which is ignored.

    Args:
        rng: draws the parts that the extrapolation needs.

    Raises:
        ValueError: fewer than 500 images in a set, or sets of different counts.
        FloatingPointError: NaN or infinity.
    """
    num_images = len(seen)
    if len(reconstructed) != num_images:
        raise ValueError(
            f"{len(reconstructed)} reconstructions but {num_images} seen images: the bias of a "
            "Frechet distance depends on the count. Give as many of each."
        )
    if num_images < FEWEST_IMAGES:
        raise ValueError(
            f"A Frechet distance of {num_images} images is mostly bias. Give at least "
            f"{FEWEST_IMAGES}, or leave FID out."
        )
    require_finite("reconstructions", reconstructed)
    require_finite("seen images", seen)
    sizes = np.unique((SHARES * num_images).astype(int))
    values = []
    for size in sizes:
        parts = [rng.permutation(num_images)[:size] for _ in range(2)]
        values.append(
            frechet_distance(
                reconstructed[torch.from_numpy(parts[0])], seen[torch.from_numpy(parts[1])]
            )
        )
    _, extrapolated = np.polyfit(1 / sizes, values, 1)
    margin = _margin(reconstructed, seen, rng)
    return Frechet(
        value=values[-1],
        extrapolated=float(extrapolated),
        num_images=num_images,
        low=max(0.0, values[-1] - margin),
        high=values[-1] + margin,
    )


def _margin(
    reconstructed: Float[Tensor, "images features"],
    seen: Float[Tensor, "images features"],
    rng: np.random.Generator,
) -> float:
    """Half the width of the interval: jackknife over blocks of images and their pictures."""
    block = rng.permutation(len(seen)) % BLOCKS
    kept = [torch.from_numpy(np.flatnonzero(block != one)) for one in range(BLOCKS)]
    without = np.array([frechet_distance(reconstructed[rows], seen[rows]) for rows in kept])
    error = ((BLOCKS - 1) * without.var()) ** 0.5
    return float(stdtrit(BLOCKS - 1, 0.975) * error)


def frechet_distance(
    first: Float[Tensor, "images features"], second: Float[Tensor, "_images features"]
) -> float:
    """Squared distance of means plus that of covariances (Dowson and Landau 1982).

    The trace of the root of both covariances' product is the sum of singular values of the
    product of their roots, which needs no root of a matrix that is not symmetric.
    """
    first, second = first.double(), second.double()
    between = (first.mean(0) - second.mean(0)).square().sum()
    roots = [_root(one) for one in (first, second)]
    spread = sum(root.square().sum() for root in roots)
    common = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return float(between + spread - 2 * common)


def _root(features: Float[Tensor, "images features"]) -> Float[Tensor, "rows features"]:
    """A matrix R with R.T @ R = covariance, and no more rows than needed."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    return torch.linalg.qr(centred, mode="r").R if len(centred) > centred.shape[1] else centred

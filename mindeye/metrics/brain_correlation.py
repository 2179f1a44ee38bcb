"""Does a reconstruction explain the scan that it came from, region by region?

An encoding model (image features -> betas) is trained on training images alone; what it predicts
for a reconstruction is correlated with the measured betas over the voxels of each region.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import RidgeCV

from mindeye.metrics.facts import BRAIN_CORRELATION
from mindeye.metrics.pairs import require_variance

# Regularisation relative to the mean squared length of a standardised feature vector.
ALPHAS = tuple(np.logspace(-4, 4, 9))
# Voxels fitted at a time: leave-one-out errors of 9,000 images take 36 MB for each alpha.
VOXEL_BLOCK = 500


@dataclass(frozen=True, kw_only=True)
class EncodingModel:
    """A linear model of each voxel of one subject."""

    weights: Float[np.ndarray, "features voxels"]
    intercepts: Float[np.ndarray, "voxels"]
    centre: Float[np.ndarray, "features"]
    scale: Float[np.ndarray, "features"]
    alphas: Float[np.ndarray, "voxels"]
    """The regularisation that leave-one-out chose for each voxel."""
    image_ids: Int[np.ndarray, "images"]
    """What it has been trained on."""

    def predict(
        self, features: Float[np.ndarray, "images features"]
    ) -> Float[np.ndarray, "images voxels"]:
        """Betas of images with these features."""
        return ((features - self.centre) / self.scale) @ self.weights + self.intercepts


def train_encoding(
    features: Float[np.ndarray, "images features"],
    betas: Float[np.ndarray, "_images voxels"],
    image_ids: Int[np.ndarray, "_ids"],
) -> EncodingModel:
    """Ridge regression, each voxel with the regularisation of least leave-one-out error.

    Args:
        features: of training images, as one frozen network sees them.
        betas: mean over the repeats of each image, z-scored.

    Raises:
        ValueError: other counts, or an image id that stands twice.
        FloatingPointError: NaN or infinity.
    """
    if not len(features) == len(betas) == len(image_ids):
        raise ValueError(
            f"{len(features)} feature rows, {len(betas)} betas and {len(image_ids)} image ids do "
            "not belong together. Average repeats, and match by image id."
        )
    if len(np.unique(image_ids)) < len(image_ids):
        raise ValueError("An image id stands twice. Average the repeats of an image first.")
    _require_finite("features", features)
    _require_finite("betas", betas)
    centre, scale = features.mean(0), features.std(0)
    # A feature that never changes says nothing; dividing by one keeps it at zero.
    scale = np.where(scale > 0, scale, 1)
    standard = ((features - centre) / scale).astype(np.float64)
    alphas = np.array(ALPHAS) * standard.var(0).sum() * len(standard) / standard.shape[1]
    parts = []
    for start in range(0, betas.shape[1], VOXEL_BLOCK):
        block = betas[:, start : start + VOXEL_BLOCK].astype(np.float64)
        parts.append(RidgeCV(alphas=alphas, alpha_per_target=True).fit(standard, block))
    return EncodingModel(
        weights=np.concatenate([one.coef_ for one in parts]).T.astype(np.float32),
        intercepts=np.concatenate([one.intercept_ for one in parts]).astype(np.float32),
        centre=centre,
        scale=scale,
        alphas=np.concatenate([np.atleast_1d(one.alpha_) for one in parts]),
        image_ids=np.asarray(image_ids),
    )


def brain_correlation(
    model: EncodingModel,
    features: Float[np.ndarray, "images features"],
    measured: Float[np.ndarray, "_images voxels"],
    image_ids: Int[np.ndarray, "_ids"],
    regions: Mapping[str, Bool[np.ndarray, "voxels"]],
) -> dict[str, Float[np.ndarray, "images"]]:
    """For each region, Pearson correlation over its voxels of measured and predicted betas.

    Higher is better, chance is 0 for a reconstruction of nothing in particular only once the mean
    pattern is gone: compare with pictures dealt at random, and with the shown pictures themselves
    (the ceiling of this encoding model).

    Args:
        features: of the reconstructions, from the network that the model was trained with.
        measured: betas of the test images, mean over repeats.

    Raises:
        ValueError: other counts, an image that the model was trained on, a region of fewer than
            two voxels, or a pattern without variance.
        FloatingPointError: NaN or infinity.

    Source: MindEye2 (arXiv:2403.11207), Table 3; differs: a ridge of our own, not GNet.
    """
    seen = np.intersect1d(image_ids, model.image_ids)
    if len(seen):
        raise ValueError(
            f"The encoding model was trained on {len(seen)} of these images, first "
            f"{seen[:5].tolist()}. Train it on training images alone."
        )
    if not len(features) == len(measured) == len(image_ids):
        raise ValueError(
            f"{len(features)} feature rows, {len(measured)} betas and {len(image_ids)} image ids "
            "do not belong together. Match them by image id."
        )
    _require_finite("features", features)
    _require_finite("measured betas", measured)
    predicted = model.predict(features)
    return {
        f"{BRAIN_CORRELATION} ({name})": _correlations(name, predicted, measured, region)
        for name, region in regions.items()
    }


def _correlations(
    name: str,
    predicted: Float[np.ndarray, "images voxels"],
    measured: Float[np.ndarray, "images voxels"],
    region: Bool[np.ndarray, "voxels"],
) -> Float[np.ndarray, "images"]:
    if region.sum() < 2:
        raise ValueError(
            f"Region {name} has {int(region.sum())} voxels; a pattern needs at least two. "
            "Leave it out, or look at its mask."
        )
    patterns = [one[:, region].astype(np.float64) for one in (predicted, measured)]
    for kind, one in zip(("predicted", "measured"), patterns, strict=True):
        constant = torch.from_numpy(one.min(1) == one.max(1))
        require_variance(f"{kind} patterns of {name}", constant)
    first, second = (one - one.mean(1, keepdims=True) for one in patterns)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1) / norms


def _require_finite(name: str, values: Float[np.ndarray, "images columns"]) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(1))
    if len(bad):
        raise FloatingPointError(
            f"{len(bad)} of {len(values)} rows of {name} hold NaN or infinity, first at positions "
            f"{bad[:5].tolist()}. Look at the step that made them."
        )

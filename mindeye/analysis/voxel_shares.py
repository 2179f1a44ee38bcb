"""What each region adds to the others: variance partition and leave-one-region-out, by ridge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from mindeye.metrics.identification import two_way_wins
from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.types import RepeatBatch

PerImage = Float[np.ndarray, "images"]


class Material(NamedTuple):
    """Scans (means over repeats) and what is to be predicted from them."""

    scan: Float[np.ndarray, "training voxels"]
    wanted: Float[np.ndarray, "training features"]
    unseen: Float[np.ndarray, "images voxels"]
    truth: Float[np.ndarray, "images features"]


@dataclass(frozen=True, kw_only=True)
class RegionShare:
    """One region's part in what all voxels tell; each value an image, their means the numbers."""

    roi: str
    num_voxels: int
    total: PerImage
    """Variance of the targets explained (R2) by the region alone, all of its voxels."""
    unique: PerImage
    """R2 of all voxels less R2 of all voxels but these."""
    lost: PerImage
    """Two-way identification of all voxels less that of all voxels but these."""

    @property
    def shared(self) -> PerImage:
        """What the region tells that others tell too; below zero where it takes both to tell it."""
        return self.total - self.unique


def meaning_of(train: RepeatBatch, test: RepeatBatch, targets: TargetTable) -> Material:
    """To predict: the CLIP image embedding (CLS token)."""
    return _material(train, test, lambda image_ids: targets.tokens(image_ids)[:, 0])


def look_of(train: RepeatBatch, test: RepeatBatch, targets: TargetTable) -> Material:
    """To predict: the VAE latents."""
    return _material(train, test, lambda image_ids: targets.latents(image_ids).flatten(1))


def region_shares(
    material: Material,
    voxels_of: Mapping[str, Bool[np.ndarray, "voxels"]],
    progress: Callable[[], None] = lambda: None,
) -> tuple[PerImage, list[RegionShare]]:
    """R2 of all voxels, and each region's share; every fit has a penalty of its own.

    Regions may overlap: a voxel of two is unique to neither.

    Args:
        progress: is called after each fit; there are 1 + 2 x regions.
    """
    everything = np.ones(material.scan.shape[1], dtype=bool)
    whole = _prediction(material, everything, progress)
    whole_wins = _wins(material, whole)
    shares = []
    for roi, mask in voxels_of.items():
        alone = _prediction(material, mask, progress)
        others = everything & ~mask
        # A region that is the whole mask leaves nothing to predict from but the mean.
        rest = _prediction(material, others, progress) if others.any() else _mean(material)
        wins = _wins(material, rest) if others.any() else np.full(len(rest), 0.5)
        shares.append(
            RegionShare(
                roi=roi,
                num_voxels=int(mask.sum()),
                total=explained(material, alone),
                unique=explained(material, whole) - explained(material, rest),
                lost=whole_wins - wins,
            )
        )
    return explained(material, whole), shares


def explained(material: Material, predicted: Float[np.ndarray, "images features"]) -> PerImage:
    """Values whose mean is R2 against the training mean, over all images and features.

    R2 is a ratio of sums; these are its linearised values, and an interval over them is one over
    images.
    """
    missed = ((material.truth - predicted) ** 2).sum(1)
    spread = ((material.truth - _mean(material)) ** 2).sum(1)
    ratio = missed.sum() / spread.sum()
    return 1 - ratio - (missed - ratio * spread) / spread.mean()


def _material(train: RepeatBatch, test: RepeatBatch, wanted: Callable) -> Material:
    return Material(
        scan=train.mean().numpy(),
        wanted=wanted(train.image_ids).numpy(),
        unseen=test.mean().numpy(),
        truth=wanted(test.image_ids).numpy(),
    )


def _prediction(
    material: Material, mask: Bool[np.ndarray, "voxels"], progress: Callable[[], None]
) -> Float[np.ndarray, "images features"]:
    ridge = fitted_ridge(material.scan[:, mask], material.wanted)
    predicted = ridge.predict(material.unseen[:, mask])
    progress()
    return predicted


def _mean(material: Material) -> Float[np.ndarray, "images features"]:
    return np.broadcast_to(material.wanted.mean(0), material.truth.shape)


def _wins(material: Material, predicted: Float[np.ndarray, "images features"]) -> PerImage:
    truth = torch.from_numpy(material.truth)
    return np.asarray(two_way_wins(truth.new_tensor(predicted), truth))

"""What each region of interest says on its own: ridge regression on equal numbers of voxels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mindeye.metrics.identification import two_way_wins
from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.types import RepeatBatch


@dataclass(frozen=True, kw_only=True)
class RegionScore:
    """Per-image two-way identification from one region's voxels alone."""

    roi: str
    num_voxels: int
    """Voxels used: the same number for every region."""
    available: int
    meaning: Float[np.ndarray, "images"]
    """By the predicted CLIP image embedding (CLS token)."""
    look: Float[np.ndarray, "images"]
    """By the predicted VAE latents."""


def region_scores(
    train: RepeatBatch,
    test: RepeatBatch,
    targets: TargetTable,
    voxels_of: Mapping[str, Bool[np.ndarray, "voxels"]],
    *,
    seed: int,
) -> list[RegionScore]:
    """Scores of all regions, each with its own ridge penalty and as many voxels as the smallest.

    Equal counts and penalties of its own make regions comparable; which voxels of a larger
    region are taken is drawn by `seed`.
    """
    counts = {roi: int(mask.sum()) for roi, mask in voxels_of.items()}
    num_voxels = min(counts.values())
    rng = np.random.default_rng(seed)
    scan, unseen = train.mean().numpy(), test.mean().numpy()
    tokens, latents = targets.tokens(train.image_ids)[:, 0], targets.latents(train.image_ids)
    seen_tokens = targets.tokens(test.image_ids)[:, 0]
    seen_latents = targets.latents(test.image_ids).flatten(1)
    found = []
    for roi, mask in voxels_of.items():
        chosen = np.sort(rng.choice(np.flatnonzero(mask), num_voxels, replace=False))
        predicted = [
            fitted_ridge(scan[:, chosen], wanted).predict(unseen[:, chosen])
            for wanted in (tokens.numpy(), latents.flatten(1).numpy())
        ]
        wins = [
            np.asarray(two_way_wins(seen.new_tensor(one), seen))
            for one, seen in zip(predicted, (seen_tokens, seen_latents), strict=True)
        ]
        found.append(
            RegionScore(
                roi=roi,
                num_voxels=num_voxels,
                available=counts[roi],
                meaning=wins[0],
                look=wins[1],
            )
        )
    return found

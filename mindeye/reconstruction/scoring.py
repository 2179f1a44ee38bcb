"""Scores of reconstructed pictures against the shown ones, each image by itself."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mindeye.metrics.identification import (
    correlation_matrix,
    two_way_wins,
    two_way_wins_of_permutation,
)
from mindeye.metrics.pixels import (
    NATIVE,
    PUBLISHED,
    ResizeChain,
    pixel_correlation,
    structural_similarity,
)
from mindeye.metrics.statistics import metric_row, permutation_null
from mindeye.pictures import as_images
from mindeye.quirks import Quirks
from mindeye.targets.clip import ClipTarget
from mindeye.types import MetricRow

# Metric -> (chance, better). PixCorr and SSIM have no fixed chance: the floors show it.
METRICS: Mapping[str, tuple[float | None, str]] = {
    "PixCorr": (None, "higher"),
    "SSIM": (None, "higher"),
    "two-way identification (CLIP)": (0.5, "higher"),
}
PIXCORR, SSIM, TWO_WAY = METRICS
BATCH = 100


def chain_of(quirks: Quirks) -> ResizeChain:
    """What pictures pass through before pixel metrics under resolved quirks."""
    if not quirks.resized_through_256:
        return NATIVE
    return replace(PUBLISHED, antialias=not quirks.aliased_resizing)


@torch.inference_mode()
def picture_scores(
    reconstructed: UInt8[np.ndarray, "images height width 3"],
    shown: UInt8[np.ndarray, "images shown_height shown_width 3"],
    clip: ClipTarget,
    *,
    chain: ResizeChain = NATIVE,
    ssim_by_columns: bool = False,
) -> dict[str, Float[np.ndarray, "images"]]:
    """Per-image values of every metric.

    Both kinds of pictures have one size unless `chain` gives them one; it is for pixel metrics,
    and CLIP sees pictures as they come. A picture without any variance (a blank one) has no
    correlation; it scores 0, which is what a picture that says nothing deserves, and is not left
    out.
    """
    ours, theirs = as_images(reconstructed), as_images(shown)
    blank = ours.flatten(1).std(1) < 1e-4
    if blank.any():
        ours = torch.where(blank.view(-1, 1, 1, 1), _ramp(ours.shape), ours)
    correlation = pixel_correlation(ours, theirs, chain)
    correlation = torch.where(blank, torch.zeros_like(correlation), correlation)
    similarity = structural_similarity(ours, theirs, chain, by_columns=ssim_by_columns)
    return {
        PIXCORR: np.asarray(correlation, dtype=np.float64),
        SSIM: np.asarray(similarity, dtype=np.float64),
        TWO_WAY: np.asarray(
            two_way_wins(pooled(ours, clip), pooled(theirs, clip)), dtype=np.float64
        ),
    }


def score_rows(
    system: str, scores: Mapping[str, Float[np.ndarray, "images"]], rng: np.random.Generator
) -> list[MetricRow]:
    """One row a metric, with the interval over images."""
    return [
        metric_row(
            system, metric, values, rng, chance=METRICS[metric][0], better=METRICS[metric][1]
        )
        for metric, values in scores.items()
    ]


@torch.inference_mode()
def permuted_row(
    system: str,
    reconstructed: UInt8[np.ndarray, "images height width 3"],
    shown: UInt8[np.ndarray, "images shown_height shown_width 3"],
    clip: ClipTarget,
    rng: np.random.Generator,
) -> MetricRow:
    """Two-way identification of these pictures if they had been dealt to the images at random.

    The row's interval is where 95 % of such scores lie: wins depend on each other, so that
    neither the binomial nor the bootstrap over images gives the interval of chance.
    """
    correlations = correlation_matrix(
        pooled(as_images(reconstructed), clip), pooled(as_images(shown), clip)
    )
    null = permutation_null(
        lambda partner: (
            two_way_wins_of_permutation(correlations, torch.from_numpy(partner)).mean().item()
        ),
        len(shown),
        rng,
    )
    low, high = np.quantile(null, [0.025, 0.975])
    return MetricRow(
        system=system,
        metric=TWO_WAY,
        value=float(null.mean()),
        low=float(low),
        high=float(high),
        n=len(shown),
        chance=METRICS[TWO_WAY][0],
        better=METRICS[TWO_WAY][1],
    )


def pooled(
    images: Float[Tensor, "images 3 height width"], clip: ClipTarget
) -> Float[Tensor, "images features"]:
    """CLIP's image embedding: the CLS token."""
    return torch.cat([clip.tokens(block)[:, 0] for block in images.split(BATCH)])


def nearest_training_images(
    brain: Float[Tensor, "images features"],
    training: Float[Tensor, "candidates features"],
) -> Int[np.ndarray, "images"]:
    """For each scan, the training image whose embedding is closest: a floor without generator."""
    return (brain @ training.T).argmax(1).numpy()


def derangement(num_images: int, rng: np.random.Generator) -> Int[np.ndarray, "images"]:
    """A random order in which no image keeps its place: shuffled scans."""
    order = rng.permutation(num_images)
    partner = np.empty(num_images, dtype=np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def _ramp(shape: torch.Size) -> Tensor:
    return torch.linspace(0, 1, shape[-1]).expand(shape)

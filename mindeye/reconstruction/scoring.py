"""Scores of reconstructed pictures against the shown ones, each image by itself."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mindeye.metrics.facts import METRIC_FACTS, MetricFacts, facts_of, metrics_of
from mindeye.metrics.feature_rows import KeptRows, StoredRows, as_rows
from mindeye.metrics.identification import (
    correlation_distance,
    correlation_matrix,
    two_way_wins,
    two_way_wins_of_permutation,
)
from mindeye.metrics.pairs import require_same_shape
from mindeye.metrics.pixels import pixel_correlation, structural_similarity
from mindeye.metrics.protocols import NATIVE_PROTOCOL, MetricProtocol
from mindeye.metrics.statistics import metric_row, permutation_null
from mindeye.reconstruction.all_cores import map_on_all_cores
from mindeye.reconstruction.picture_source import (
    BLOCK,
    Pictures,
    PictureSource,
    drawn_source,
    shown_source,
)
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork
from mindeye.types import MetricRow

PIXCORR, SSIM, TWO_WAY = "PixCorr", "SSIM", "two-way identification (CLIP)"
PerImage = Float[np.ndarray, "images"]
Outputs = Float[Tensor, "images features"] | StoredRows
# Rows compared at a time where each is compared with its own alone.
ROWS = 1024


@torch.inference_mode()
def picture_scores(
    reconstructed: Pictures,
    shown: Pictures,
    networks: Mapping[str, MetricNetwork | PairNetwork],
    protocol: MetricProtocol = NATIVE_PROTOCOL,
) -> dict[str, PerImage]:
    """Per-image values of PixCorr, SSIM and of every metric that the networks allow.

    Pictures are uint8 or floats in [0, 1], channels last, and may lie on disk (`numpy.memmap`).
    Both kinds have one size unless the protocol gives them one. A picture without any variance (a
    blank one) has no correlation; it scores 0, which is what a picture that says nothing deserves,
    and is not left out.

    Args:
        networks: by their own names, as `open_networks` and `own_clip` give them.

    Raises:
        ValueError: other counts or sizes, values outside [0, 1], or a shown picture without
            variance.
        FloatingPointError: NaN or infinity.
    """
    compared = slice(3, None) if protocol.pixels.sides else slice(1, None)
    require_same_shape(reconstructed.shape, shown.shape, compared)
    ours, theirs = drawn_source(reconstructed), shown_source(shown)
    scores = _pixel_scores(ours, theirs, protocol)
    for network in networks.values():
        if isinstance(network, PairNetwork):
            scores |= _pair_scores(ours, theirs, network, protocol)
        else:
            scores |= _network_scores(ours, theirs, network, protocol)
    return {name: scores[name].numpy().astype(np.float64) for name in metrics_of(networks)}


@dataclass(frozen=True, kw_only=True)
class _PixelMetrics:
    """PixCorr and SSIM of the block of pictures that begins at a place."""

    ours: PictureSource
    theirs: PictureSource
    protocol: MetricProtocol

    @torch.inference_mode()
    def __call__(self, start: int) -> tuple[PerImage, PerImage]:
        sources = (self.ours, self.theirs)
        pair = [source.images(start, start + BLOCK).contiguous() for source in sources]
        by_columns = self.protocol.ssim_by_columns
        similarity = structural_similarity(*pair, self.protocol.pixels, by_columns=by_columns)
        return pixel_correlation(*pair, self.protocol.pixels).numpy(), similarity.numpy()


def _pixel_scores(
    ours: PictureSource, theirs: PictureSource, protocol: MetricProtocol
) -> dict[str, Tensor]:
    metrics = _PixelMetrics(ours=ours, theirs=theirs, protocol=protocol)
    blocks = map_on_all_cores(metrics, range(0, len(ours), BLOCK))
    correlation, similarity = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    correlation[ours.blank.numpy()] = 0
    return {PIXCORR: torch.from_numpy(correlation), SSIM: torch.from_numpy(similarity)}


def _pair_scores(
    ours: PictureSource, theirs: PictureSource, network: PairNetwork, protocol: MetricProtocol
) -> dict[str, Tensor]:
    blocks = zip(ours.blocks(network.batch), theirs.blocks(network.batch), strict=True)
    distances = [
        network.distances(*(protocol.before_networks(images) for images in pair)) for pair in blocks
    ]
    return {name: torch.cat(distances) for name, _ in _facts_of(network)}


def _network_scores(
    ours: PictureSource, theirs: PictureSource, network: MetricNetwork, protocol: MetricProtocol
) -> dict[str, Tensor]:
    seen = [outputs_of(source, network, protocol) for source in (ours, theirs)]
    return {
        name: _compared(facts.comparison, *(outputs[facts.output] for outputs in seen))
        for name, facts in _facts_of(network)
    }


def _facts_of(network: MetricNetwork | PairNetwork) -> list[tuple[str, MetricFacts]]:
    return [(name, one) for name, one in METRIC_FACTS.items() if one.network == network.name]


def _compared(comparison: str, ours: Outputs, theirs: Outputs) -> Tensor:
    if comparison == "two-way":
        return two_way_wins(ours, theirs)
    compare = {"distance": correlation_distance, "cosine": cosine_similarity}[comparison]
    blocks = torch.arange(ours.shape[0]).split(ROWS)
    return torch.cat(
        [compare(as_rows(ours).rows(one), as_rows(theirs).rows(one)) for one in blocks]
    )


def outputs_of(
    source: PictureSource, network: MetricNetwork, protocol: MetricProtocol
) -> dict[str, Outputs]:
    """What a network sees in pictures that come to it as the protocol says, by output.

    What would fill the memory is kept in a file.
    """
    kept: dict[str, KeptRows] = {}
    for images in source.blocks(network.batch):
        if network.side is not None:
            images = protocol.network_chain(network.side, network.interpolation)(images)
        for name, rows in network.outputs(images).items():
            kept.setdefault(name, KeptRows(len(source))).append(rows.cpu())
    return {name: rows.whole() for name, rows in kept.items()}


def score_rows(
    system: str, scores: Mapping[str, Float[np.ndarray, "images"]], rng: np.random.Generator
) -> list[MetricRow]:
    """One row a metric, with the interval over images."""
    return [
        metric_row(
            system,
            metric,
            values,
            rng,
            chance=facts_of(metric).chance,
            better=facts_of(metric).better,
        )
        for metric, values in scores.items()
    ]


@torch.inference_mode()
def permuted_row(
    system: str,
    reconstructed: Pictures,
    shown: Pictures,
    clip: MetricNetwork,
    rng: np.random.Generator,
) -> MetricRow:
    """Two-way identification of these pictures if they had been dealt to the images at random.

    The row's interval is where 95 % of such scores lie: wins depend on each other, so that
    neither the binomial nor the bootstrap over images gives the interval of chance.
    """
    facts = METRIC_FACTS[TWO_WAY]
    correlations = correlation_matrix(
        *(
            outputs_of(source, clip, NATIVE_PROTOCOL)[facts.output]
            for source in (drawn_source(reconstructed), shown_source(shown))
        )
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
        chance=facts.chance,
        better=facts.better,
    )


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

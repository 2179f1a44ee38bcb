"""Scores that need more than a picture and its image: the whole set, or the brain."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from mindeye.metrics.brain_correlation import EncodingModel, brain_correlation, train_encoding
from mindeye.metrics.facts import METRIC_FACTS
from mindeye.metrics.feature_rows import as_rows
from mindeye.metrics.frechet import Frechet, frechet
from mindeye.metrics.protocols import NATIVE_PROTOCOL, MetricProtocol
from mindeye.reconstruction.picture_source import Pictures, drawn_source, shown_source
from mindeye.reconstruction.scoring import outputs_of
from mindeye.targets.metric_networks.network import MetricNetwork

INCEPTION = METRIC_FACTS["two-way identification (InceptionV3)"]


@torch.inference_mode()
def frechet_of(
    reconstructed: Pictures,
    shown: Pictures,
    inception: MetricNetwork,
    rng: np.random.Generator,
    protocol: MetricProtocol = NATIVE_PROTOCOL,
) -> Frechet:
    """FID of both sets by `open_networks(...).networks["inception"]`.

    Raises:
        ValueError: fewer than 500 images, or other counts.
    """
    sources = drawn_source(reconstructed), shown_source(shown)
    seen = [outputs_of(one, inception, protocol)[INCEPTION.output] for one in sources]
    return frechet(*(as_rows(one).rows(torch.arange(one.shape[0])) for one in seen), rng)


@torch.inference_mode()
def picture_encoding(
    shown: Pictures,
    betas: Float[np.ndarray, "images voxels"],
    image_ids: Int[np.ndarray, "images"],
    network: MetricNetwork,
    protocol: MetricProtocol = NATIVE_PROTOCOL,
) -> EncodingModel:
    """An encoding model of one subject from its training images, as a network's embeddings.

    Args:
        network: one with an `embedding`: `own_clip(...)["clip"]`, clip-vit-l-14 or siglip2.
    """
    return train_encoding(embeddings_of(shown, network, protocol), betas, image_ids)


@torch.inference_mode()
def brain_scores(
    model: EncodingModel,
    reconstructed: Pictures,
    measured: Float[np.ndarray, "images voxels"],
    image_ids: Int[np.ndarray, "images"],
    regions: Mapping[str, Bool[np.ndarray, "voxels"]],
    network: MetricNetwork,
    protocol: MetricProtocol = NATIVE_PROTOCOL,
) -> dict[str, Float[np.ndarray, "images"]]:
    """Brain correlation of each reconstruction in each region, by name.

    Args:
        network: that of `picture_encoding`.
    """
    features = embeddings_of(reconstructed, network, protocol)
    return brain_correlation(model, features, measured, image_ids, regions)


@torch.inference_mode()
def embeddings_of(
    pictures: Pictures, network: MetricNetwork, protocol: MetricProtocol
) -> Float[np.ndarray, "images features"]:
    """What a network with an `embedding` says of each picture; a blank one is allowed."""
    found = outputs_of(drawn_source(pictures), network, protocol)["embedding"]
    return as_rows(found).rows(torch.arange(found.shape[0])).numpy()

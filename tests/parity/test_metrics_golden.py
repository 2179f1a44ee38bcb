"""The published metric code's numbers (float32, CPU), kept in golden_metrics.npz."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.metrics.identification import (
    correlation_distance,
    two_way_identification,
)
from mindeye.metrics.pixels import ResizeChain, pixel_correlation, structural_similarity
from mindeye.metrics.protocols import protocol_named, protocol_of
from mindeye.quirks import Quirks
from mindeye.reconstruction.scoring import picture_scores
from mindeye.retrieval.accuracy import (
    PUBLISHED_NAMES,
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden_metrics.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    ("metric", "name"),
    [(pixel_correlation, "pixcorr"), (structural_similarity, "ssim")],
)
def test_pixel_metrics_through_256_then_425_are_the_published_ones(golden, metric, name, antialias):
    values = metric(
        torch.from_numpy(golden["metric.reconstructed"]),
        torch.from_numpy(golden["metric.seen"]),
        ResizeChain(sides=(256, 425), antialias=antialias),
    )
    published = golden[f"metric.{name}_per_image.antialias_{antialias}"]
    np.testing.assert_allclose(values, published, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("protocol", "antialias"),
    [
        (protocol_named("mindeye1"), False),
        (protocol_named("mindeye2"), False),
        (protocol_of(Quirks(compat="mindeye1", aliased_resizing=False).resolved()), True),
    ],
    ids=["mindeye1", "mindeye2", "mindeye1 on a later torchvision"],
)
def test_scores_under_a_published_protocol_are_the_published_ones(golden, protocol, antialias):
    drawn, shown = (
        np.moveaxis(golden[f"metric.{name}"], 1, -1) for name in ("reconstructed", "seen")
    )
    scores = picture_scores(drawn, shown, {}, protocol)
    for metric, name in (("PixCorr", "pixcorr"), ("SSIM", "ssim")):
        published = golden[f"metric.{name}_per_image.antialias_{antialias}"]
        np.testing.assert_allclose(scores[metric], published, rtol=0, atol=1e-6)


def test_identification_and_distance_are_the_published_ones(golden):
    reconstructed = torch.from_numpy(golden["metric.features_reconstructed"])
    seen = torch.from_numpy(golden["metric.features_seen"])
    share = two_way_identification(reconstructed, seen)
    assert share == pytest.approx(golden["metric.two_way_identification"].item(), abs=1e-12)
    np.testing.assert_allclose(
        correlation_distance(reconstructed, seen),
        golden["metric.correlation_distance_per_image"],
        rtol=0,
        atol=1e-6,
    )


def test_published_retrieval_directions_are_exchanged(golden):
    similarity = similarity_matrix(
        torch.from_numpy(golden["retrieval.brain"]),
        torch.from_numpy(golden["retrieval.image"]),
    )
    ours = {
        "image retrieval": (image_retrieval_rivals(similarity) == 0).mean(),
        "brain retrieval": (brain_retrieval_rivals(similarity) == 0).mean(),
    }
    for name, (published_direction, _) in PUBLISHED_NAMES.items():
        published = golden[f"retrieval.published_{published_direction}"].item()
        assert ours[name] == pytest.approx(published, abs=1e-6)
    assert ours["image retrieval"] != ours["brain retrieval"]

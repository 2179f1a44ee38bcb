"""The field's network metrics as a whole, beside the published loops written anew."""

import shutil

import numpy as np
import pytest
import torch
from scipy.spatial.distance import correlation
from torchvision.transforms.functional import resize as torchvision_resize

from mindeye.metrics.protocols import NATIVE_PROTOCOL, protocol_named
from mindeye.reconstruction.scoring import picture_scores
from mindeye.targets.metric_networks.folder import open_networks

MINDEYE1 = protocol_named("mindeye1")


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 256, (5, 6, 6, 3), dtype=np.uint8).repeat(50, 1).repeat(50, 2)
    drawn = (shown * 0.4 + rng.integers(0, 150, shown.shape)).astype(np.uint8)
    return drawn, shown


def published_rows(pictures, judge, output) -> np.ndarray:
    """Resize 256, then the network's side, never antialiased; one picture at a time."""
    rows = []
    for picture in pictures:
        image = torch.from_numpy(picture).permute(2, 0, 1) / 255
        for side in (256, judge.side):
            image = torchvision_resize(image, [side, side], antialias=False)
        rows.append(judge.outputs(image.unsqueeze(0))[output][0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize(
    ("name", "output", "metric"),
    [
        ("alexnet", "features.4", "two-way identification (AlexNet 2)"),
        ("alexnet", "features.11", "two-way identification (AlexNet 5)"),
    ],
)
def test_identification_is_that_of_corrcoef_of_stacked_rows(judges, pictures, name, output, metric):
    opened = open_networks(judges, names=[name]).networks
    scores = picture_scores(*pictures, opened, MINDEYE1)
    drawn, shown = (published_rows(one, opened[name], output) for one in pictures)
    table = np.corrcoef(shown, drawn)[:5, 5:]
    wins = (table < np.diag(table)).sum(0) / 4
    np.testing.assert_array_equal(scores[metric], wins)


def test_distances_are_scipys(judges, pictures):
    opened = open_networks(judges, names=["swav"]).networks
    scores = picture_scores(*pictures, opened, MINDEYE1)
    drawn, shown = (published_rows(one, opened["swav"], "avgpool") for one in pictures)
    expected = [correlation(one, other) for one, other in zip(shown, drawn, strict=True)]
    np.testing.assert_allclose(scores["distance (SwAV)"], expected, atol=1e-5)


def test_lpips_sees_pictures_at_their_own_size_or_at_256(judges, pictures):
    lpips = open_networks(judges, names=["lpips-alex"]).networks["lpips-alex"]
    scores = picture_scores(*pictures, {"lpips-alex": lpips})
    assert list(scores) == ["PixCorr", "SSIM", "LPIPS (alex)"]
    images = [torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255 for one in pictures]
    np.testing.assert_allclose(scores["LPIPS (alex)"], lpips.distances(*images), rtol=1e-5)
    through_256 = picture_scores(*pictures, {"lpips-alex": lpips}, MINDEYE1)["LPIPS (alex)"]
    assert np.abs(through_256 - scores["LPIPS (alex)"]).min() > 1e-6


def test_antialiasing_and_the_way_through_256_move_what_a_network_says(judges, pictures):
    opened = open_networks(judges, names=["swav"]).networks
    name = "distance (SwAV)"
    native = picture_scores(*pictures, opened, NATIVE_PROTOCOL)[name]
    published = picture_scores(*pictures, opened, MINDEYE1)[name]
    assert np.abs(native - published).max() > 1e-4


def test_a_cosine_is_of_each_picture_with_its_own(networks, pictures, tmp_path):
    shutil.copytree(networks.clip, tmp_path / "siglip2")
    judge = open_networks(tmp_path, names=["siglip2"]).networks["siglip2"]
    scores = picture_scores(*pictures, {"siglip2": judge})["cosine (SigLIP2)"]
    rows = []
    for one in pictures:
        images = torch.from_numpy(one).permute(0, 3, 1, 2).float() / 255
        small = NATIVE_PROTOCOL.network_chain(32, "bicubic")(images)
        rows.append(judge.outputs(small)["embedding"].numpy())
    expected = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(*rows, strict=True)]
    np.testing.assert_allclose(scores, expected, atol=1e-5)

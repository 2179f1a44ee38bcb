import numpy as np
import pytest
import torch

from mindeye.metrics import frechet
from mindeye.metrics.frechet import frechet_distance
from mindeye.reconstruction.set_scoring import brain_scores, frechet_of, picture_encoding
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.network import MetricNetwork, own_clip


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (140, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)


def test_the_frechet_distance_is_that_of_what_inception_sees(pictures, monkeypatch):
    monkeypatch.setattr(frechet, "FEWEST_IMAGES", 40)
    drawn, shown = pictures[:70], pictures[70:]
    inception = MetricNetwork(
        name="inception",
        identity="means of rows",
        outputs=lambda images: {"avgpool": images.mean(3).flatten(1)[:, ::12]},
    )
    found = frechet_of(drawn, shown, inception, np.random.default_rng(0))
    sides = [torch.from_numpy(one / 255).mean(2).movedim(2, 1).flatten(1) for one in (drawn, shown)]
    expected = frechet_distance(*(one[:, ::12] for one in sides))
    assert found.value == pytest.approx(expected, rel=1e-4)
    assert found.num_images == 70


def test_shown_pictures_explain_betas_that_follow_what_clip_sees(pictures, networks):
    clip = own_clip(load_clip(networks.clip))["clip"]
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    rng = np.random.default_rng(1)
    seen = clip.outputs(images)["embedding"].numpy()
    betas = (seen - seen.mean(0)) / seen.std(0) @ rng.normal(size=(seen.shape[1], 50))
    betas = (betas + rng.normal(size=betas.shape)).astype(np.float32)
    ids, train, test = np.arange(140), slice(0, 100), slice(100, 140)
    model = picture_encoding(pictures[train], betas[train], ids[train], clip)
    regions = {"V1": np.arange(50) < 20, "all": np.ones(50, dtype=bool)}
    known = (betas[test], ids[test], regions, clip)
    right = brain_scores(model, pictures[test], *known)
    wrong = brain_scores(model, pictures[test][::-1], *known)
    assert list(right) == ["brain correlation (V1)", "brain correlation (all)"]
    for name in right:
        assert right[name].mean() > 0.8
        assert abs(wrong[name].mean()) < 0.3
    with pytest.raises(ValueError, match="trained on 40 of these images"):
        brain_scores(model, pictures[test], betas[test], ids[:40], regions, clip)

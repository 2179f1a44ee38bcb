from dataclasses import replace

import pytest
import torch

from mindeye.models.attention import GainNorm
from mindeye.models.published_prior import PublishedPrior, PublishedPriorConfig

CONFIG = PublishedPriorConfig(depth=1, num_heads=2, head_width=8, train_times=20)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens(images: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(images, 5, 16, generator=seeded(seed))


@pytest.fixture
def prior() -> PublishedPrior:
    torch.manual_seed(0)
    return PublishedPrior(CONFIG, 5, 16).requires_grad_(False)


@pytest.mark.parametrize(("scale", "expected"), [(None, 4.0), (1.0, 1.0)])
def test_samples_come_at_the_scale_of_the_target(monkeypatch, scale, expected):
    prior = PublishedPrior(replace(CONFIG, scale=scale), 5, 16)
    known = tokens()
    monkeypatch.setattr(prior, "denoise", lambda noisy, times, brain: known)
    sampled = prior.sample(tokens(), sampler="ddpm", steps=20, generator=seeded())
    torch.testing.assert_close(expected * sampled, known)


def test_the_loss_follows_from_the_generator_alone(prior):
    losses = [prior.loss(tokens(), tokens(seed=2), seeded(seed)) for seed in (7, 7, 8)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_the_loss_is_the_error_at_the_networks_scale(prior, monkeypatch):
    monkeypatch.setattr(prior, "denoise", lambda noisy, times, brain: torch.zeros_like(noisy))
    loss = prior.loss(tokens(), tokens(seed=2), seeded())
    torch.testing.assert_close(loss, (4 * tokens(seed=2)).square().mean())


@pytest.mark.parametrize(("brain", "image"), [(0.0, 0.3), (0.3, 0.0), (0.5, 0.5)])
def test_brain_and_image_are_dropped_apart_and_as_often_as_told(monkeypatch, brain, image):
    prior = PublishedPrior(replace(CONFIG, drop_condition=brain, drop_image=image), 5, 16)
    torch.nn.init.constant_(prior.null_brain, 77.0)
    torch.nn.init.constant_(prior.null_image, 99.0)
    seen = []

    def denoise(noisy, times, brain_tokens):
        seen.extend([brain_tokens == 77, noisy == 99])
        return torch.zeros_like(noisy)

    monkeypatch.setattr(prior, "denoise", denoise)
    prior.loss(tokens(400), tokens(400, seed=2), seeded())
    for dropped, share in zip(seen, (brain, image)):
        assert (dropped.flatten(1).all(1) == dropped.flatten(1).any(1)).all()
        assert dropped.float().mean() == pytest.approx(share, abs=0.07)
    both = (seen[0] & seen[1]).float().mean()
    assert both == pytest.approx(brain * image, abs=0.07)


def test_guidance_leads_away_from_the_prediction_without_condition(prior):
    source = {"sampler": "ddim", "steps": 1, "noises": [tokens(seed=3)]}
    plain, guided = (prior.sample(tokens(), guidance=one, **source) for one in (1.0, 3.0))
    times = torch.full((3,), 19)
    empty, null = prior.without_condition(tokens(seed=3))
    assert (empty == prior.null_image).all()
    assert (null == prior.null_brain).all()
    without = prior.denoise(empty, times, null) / prior.scale
    torch.testing.assert_close(guided, without + 3 * (plain - without))


def test_times_tokens_and_brain_all_matter(prior):
    times = torch.tensor([0, 5, 19])
    predicted = prior.denoise(tokens(seed=2), times, tokens())
    assert predicted.shape == (3, 5, 16)
    for other in (
        prior.denoise(tokens(seed=2), times.flip(0), tokens()),
        prior.denoise(tokens(seed=3), times, tokens()),
        prior.denoise(tokens(seed=2), times, tokens(seed=3)),
    ):
        assert not torch.allclose(predicted[0], other[0])


def test_sampling_keeps_no_graph():
    prior = PublishedPrior(CONFIG, 5, 16)
    assert not prior.sample(tokens(), steps=2, generator=seeded()).requires_grad


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("num_padding", [0, 3])
def test_all_norms_have_the_epsilon_of_the_switch(coarse, num_padding):
    config = replace(CONFIG, coarse_epsilon=coarse, num_padding=num_padding)
    prior = PublishedPrior(config, 1, 16)
    norms = [one for one in prior.modules() if isinstance(one, GainNorm)]
    assert len(norms) == (5 if num_padding else 4)
    assert {one.coarse_epsilon for one in norms} == {coarse}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_coarse_epsilon_changes_half_precision_alone(dtype):
    predicted = []
    for coarse in (False, True):
        torch.manual_seed(0)
        prior = PublishedPrior(replace(CONFIG, coarse_epsilon=coarse), 5, 16).to(dtype)
        noisy, brain = (tokens(seed=one).to(dtype) / 100 for one in (1, 2))
        predicted.append(prior.denoise(noisy, torch.tensor([0, 5, 19]), brain))
    assert torch.equal(*predicted) == (dtype == torch.float32)


def test_the_form_with_padding_has_one_image_token():
    with pytest.raises(ValueError, match=r"7 padding tokens predicts one image token, not 5"):
        PublishedPrior(replace(CONFIG, num_padding=7), 5, 16)

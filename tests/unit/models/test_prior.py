import pytest
import torch

from mindeye.models.prior import DiffusionPrior, PriorConfig


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def brain_tokens(images: int = 3) -> torch.Tensor:
    return torch.randn(images, 5, 16, generator=seeded(1))


def noise(images: int = 3) -> torch.Tensor:
    return torch.randn(images, 5, 16, generator=seeded(2))


@pytest.fixture
def prior() -> DiffusionPrior:
    torch.manual_seed(0)
    config = PriorConfig(depth=1, head_width=8, train_times=20)
    return DiffusionPrior(config, 5, 16).requires_grad_(False)


@pytest.mark.parametrize("num_steps", [1, 3, 4, 6, 20])
def test_sampling_an_oracle_ends_at_the_tokens_that_it_knows(prior, monkeypatch, num_steps):
    known = torch.randn(3, 5, 16, generator=seeded(3))
    prior.fit(torch.randn(40, 5, 16, generator=seeded(4)) * 3 + 7)
    seen = (known - prior.token_mean) / prior.token_std
    monkeypatch.setattr(prior, "denoise", lambda noisy, times, brain: seen)
    torch.testing.assert_close(
        prior.sample(brain_tokens(), noises=[noise()], steps=num_steps), known
    )


def test_sampling_asks_the_network_as_often_as_told_from_the_highest_time_down(prior, monkeypatch):
    seen = []

    def denoise(noisy, times, brain):
        seen.append(times.tolist())
        return noisy

    monkeypatch.setattr(prior, "denoise", denoise)
    prior.sample(brain_tokens(), noises=[noise()], steps=4)
    assert seen == [[19] * 3, [14] * 3, [9] * 3, [4] * 3]


def test_a_sample_depends_on_its_own_noise_and_tokens_alone(prior):
    together = prior.sample(brain_tokens(), noises=[noise()], steps=4)
    alone = torch.cat(
        [
            prior.sample(brain_tokens()[i : i + 1], noises=[noise()[i : i + 1]], steps=4)
            for i in range(len(together))
        ]
    )
    torch.testing.assert_close(together, alone)
    assert not torch.allclose(together, prior.sample(brain_tokens(), noises=[-noise()], steps=4))


def test_the_prediction_stands_at_the_places_of_the_image_tokens(prior):
    times = torch.tensor([0, 5, 19])
    predicted = prior.denoise(noise(), times, brain_tokens())
    assert predicted.shape == noise().shape
    moved = prior.denoise(noise(), times.flip(0), brain_tokens())
    torch.testing.assert_close(predicted[1], moved[1])
    assert not torch.allclose(predicted[0], moved[0])


def test_the_loss_is_the_error_against_tokens_of_unit_variance(prior, monkeypatch):
    image_tokens = torch.randn(3, 5, 16, generator=seeded(4)) / 4
    monkeypatch.setattr(prior, "denoise", lambda noisy, times, brain: torch.zeros_like(noisy))
    loss = prior.loss(brain_tokens(), image_tokens, seeded())
    torch.testing.assert_close(loss, (4 * image_tokens).square().mean())


def test_the_loss_follows_from_the_generator_alone(prior):
    losses = [prior.loss(brain_tokens(), noise(), seeded(seed)) for seed in (7, 7, 8)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_brain_tokens_are_dropped_for_that_share_of_trials(share, monkeypatch):
    config = PriorConfig(depth=1, head_width=8, train_times=20, drop_condition=share)
    prior = DiffusionPrior(config, 5, 16)
    torch.nn.init.constant_(prior.null_brain, 77.0)
    seen = []
    monkeypatch.setattr(
        prior, "denoise", lambda noisy, times, brain: seen.append(brain) or torch.zeros_like(noisy)
    )
    prior.loss(brain_tokens(400), noise(400), seeded())
    dropped = (seen[0] == 77).flatten(1)
    assert (dropped.all(1) == dropped.any(1)).all()
    assert dropped.all(1).float().mean() == pytest.approx(share, abs=0.07)


def test_noise_of_the_loss_covers_all_times_and_keeps_the_variance(prior, monkeypatch):
    seen = []

    def denoise(noisy, times, brain):
        seen.append((noisy, times))
        return noisy

    monkeypatch.setattr(prior, "denoise", denoise)
    clean = torch.randn(500, 5, 16, generator=seeded(4)) / 4
    prior.loss(brain_tokens(500), clean, seeded())
    noisy, times = seen[0]
    assert times.unique().tolist() == list(range(20))
    assert noisy.var() == pytest.approx(1, abs=0.05)
    distance = (noisy - 4 * clean).square().flatten(1).mean(1)
    assert distance[times == 0].mean() < 0.1
    assert distance[times == 19].mean() > 1.5

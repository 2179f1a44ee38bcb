import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from mindeye.models.noise_schedule import NoiseSchedule


@pytest.mark.parametrize("num_times", [20, 100, 1000])
def test_the_cosine_schedule_is_that_of_diffusers(num_times):
    theirs = DDPMScheduler(num_train_timesteps=num_times, beta_schedule="squaredcos_cap_v2")
    ours = NoiseSchedule.cosine(num_times)
    np.testing.assert_allclose(ours.betas, theirs.betas, rtol=1e-5)
    np.testing.assert_allclose(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=1e-4, atol=1e-9)


def test_signal_falls_and_the_first_step_back_ends_at_the_clean_tokens():
    schedule = NoiseSchedule.cosine(100)
    assert (np.diff(schedule.alphas_cumprod) < 0).all()
    assert schedule.posterior_mean_coef1[0] == pytest.approx(1, abs=1e-12)
    assert schedule.posterior_mean_coef2[0] == schedule.posterior_variance[0] == 0


def test_noise_keeps_the_variance_and_the_argument():
    schedule = NoiseSchedule.cosine(100)
    generator = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 40, 50, generator=generator) for _ in range(2))
    before = clean.clone()
    noisy = schedule.add_noise(clean, noise, torch.tensor([0, 50, 99]))
    torch.testing.assert_close(noisy.var((1, 2)), torch.ones(3), rtol=0.1, atol=0)
    torch.testing.assert_close(noisy[0], clean[0], rtol=0, atol=0.15)
    torch.testing.assert_close(noisy[2], noise[2], rtol=0, atol=0.15)
    torch.testing.assert_close(clean, before, rtol=0, atol=0)


def test_published_buffers_are_thirteen_of_float32():
    buffers = NoiseSchedule.cosine(30).published_buffers()
    assert len(buffers) == 13
    assert all(one.shape == (30,) and one.dtype == torch.float32 for one in buffers.values())
    assert all(one.isfinite().all() for one in buffers.values())

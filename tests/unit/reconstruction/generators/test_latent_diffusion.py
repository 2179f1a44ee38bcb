import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UniPCMultistepScheduler

from mindeye.reconstruction.generators.latent_diffusion import LatentVae, begun, denoised, guided

NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULERS = {
    "unipc": lambda: UniPCMultistepScheduler(**NOISE),
    "euler": lambda: EulerDiscreteScheduler(**NOISE, timestep_spacing="trailing"),
}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def vae(random_generators) -> LatentVae:
    model = AutoencoderKL.from_pretrained(random_generators["versatile"], subfolder="vae")
    return LatentVae(model=model.requires_grad_(False), side=16)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize(
    ("strength", "left"), [(0.85, 17), (0.5, 10), (0.05, 1), (0.001, 1), (1.0, 20)]
)
def test_img2img_runs_the_published_share_of_the_steps(name, strength, left):
    noise, start = normal(2, 4, 8, 8), normal(2, 4, 8, 8, seed=1)
    scheduler = SCHEDULERS[name]()
    latents, times = begun(scheduler, noise, start, steps=20, strength=strength)
    assert len(times) == left
    assert scheduler.begin_index == 20 - left
    assert times.tolist() == scheduler.timesteps[20 - left :].tolist()
    if left == 20:
        torch.testing.assert_close(latents, noise * scheduler.init_noise_sigma)
        return
    # The noise of the first time that is left: of variance 1 - cumulated alphas, or as a sigma.
    share = scheduler.alphas_cumprod[int(times[0])]
    expected = share**0.5 * start + (1 - share) ** 0.5 * noise
    if name == "euler":
        expected = expected / share**0.5
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4)


def test_without_a_start_drawing_begins_with_noise_of_the_schedules_size():
    scheduler = SCHEDULERS["euler"]()
    noise = normal(2, 4, 8, 8)
    latents, times = begun(scheduler, noise, None, steps=5, strength=0.2)
    assert len(times) == 5
    torch.testing.assert_close(latents, noise * scheduler.init_noise_sigma)
    assert scheduler.init_noise_sigma > 10


def test_guidance_asks_the_network_once_a_step_and_leads_away_from_the_unconditional():
    asked = []

    def predict(latents, time, tokens):
        asked.append(len(latents))
        return latents * tokens.mean((1, 2)).view(-1, 1, 1, 1)

    latents, tokens, away = normal(3, 4, 2, 2), normal(3, 5, 6, seed=1), normal(3, 5, 6, seed=2)
    time = torch.tensor(5)
    found = guided(predict, latents, time, tokens, away, 3.5)
    plain, led = predict(latents, time, away), predict(latents, time, tokens)
    torch.testing.assert_close(found, plain + 3.5 * (led - plain))
    assert asked[0] == 6
    torch.testing.assert_close(guided(predict, latents, time, tokens, away, 1.0), led)
    assert asked[3] == 3


def test_every_step_scales_what_the_network_reads_and_not_what_is_stepped():
    seen = []

    def predict(latents, time, tokens):
        seen.append(latents.std().item())
        return torch.zeros_like(latents)

    scheduler = SCHEDULERS["euler"]()
    tokens = normal(2, 3, 4)
    latents, times = begun(scheduler, normal(2, 4, 8, 8), None, steps=4, strength=1.0)
    ended = denoised(predict, scheduler, latents, times, tokens, tokens, 1.0)
    # Nothing is predicted, so nothing is taken away; the network reads variance 1 throughout.
    torch.testing.assert_close(ended, latents)
    assert seen[0] == pytest.approx(1, abs=0.1)
    assert len(seen) == 4


def test_pictures_and_latents_are_those_of_diffusers(vae):
    pictures = normal(2, 3, 16, 16)
    with torch.no_grad():
        posterior = vae.model.encode(2 * pictures - 1).latent_dist
        latents = vae.latents(pictures)
        torch.testing.assert_close(latents, 0.18215 * posterior.mean)
        expected = (vae.model.decode(latents / 0.18215).sample / 2 + 0.5).clamp(0, 1)
        torch.testing.assert_close(vae.pictures(latents), expected)
    assert vae.latent_shape == tuple(latents.shape[1:])


def test_a_drawn_posterior_has_its_mean_and_its_spread(vae):
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    posterior = vae.model.encode(2 * picture - 1).latent_dist
    seeds = [torch.Generator().manual_seed(one) for one in range(400)]
    drawn = vae.latents(picture.expand(400, -1, -1, -1), seeds) / 0.18215
    spread = posterior.std[0]
    assert ((drawn.mean(0) - posterior.mean[0]).abs() < 5 * spread / 20).all()
    assert ((drawn.std(0) / spread - 1).abs() < 0.25).all()


@pytest.mark.parametrize("side", [16, 32])
def test_a_start_normalised_for_clip_keeps_its_values_at_any_size(vae, side):
    seen = []
    pictures = torch.full((1, 3, side, side), -1.4)
    pictures[:, 1] = 2.3
    encode = vae.model.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae.model, "encode", lambda one: seen.append(one) or encode(one))
        vae.latents(pictures)
    assert seen[0].shape == (1, 3, 16, 16)
    torch.testing.assert_close(seen[0][:, 0], torch.full((1, 16, 16), 2 * -1.4 - 1))
    torch.testing.assert_close(seen[0][:, 1], torch.full((1, 16, 16), 2 * 2.3 - 1))


def test_resizing_never_leaves_the_range_of_the_picture(vae):
    seen = []
    board = torch.tensor([0.0, 1.0]).repeat(1, 3, 33, 17)[..., :33]
    encode = vae.model.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae.model, "encode", lambda one: seen.append(one) or encode(one))
        vae.latents(board)
    assert seen[0].min() >= -1
    assert seen[0].max() <= 1

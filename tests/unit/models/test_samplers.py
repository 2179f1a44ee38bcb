import re
from collections.abc import Callable

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.samplers import SAMPLERS, guided, sample_tokens
from mindeye.verbs.shared_options import SAMPLER_NAMES

SCHEDULE = NoiseSchedule.cosine(100)
SHAPE = (3, 4, 5)
STEPS_OF = {name: 100 if name == "ddpm" else 20 for name in SAMPLERS}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shrunk(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """The best denoiser for tokens of variance 4: each image by itself."""
    kept = torch.from_numpy(SCHEDULE.alphas_cumprod).float()[times].view(-1, 1, 1)
    return noisy * 4 * kept.sqrt() / (4 * kept + 1 - kept)


def run(sampler: str, denoise: Callable = shrunk, shape=SHAPE, steps=None, **source):
    return sample_tokens(
        denoise,
        SCHEDULE,
        torch.zeros(shape),
        sampler=sampler,
        steps=steps or STEPS_OF[sampler],
        noises=source.get("noises"),
        generator=source.get("generator"),
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_oracle_is_believed_in_the_end(sampler):
    known = torch.randn(SHAPE, generator=seeded(3))
    tokens = run(sampler, lambda noisy, times: known, generator=seeded())
    torch.testing.assert_close(tokens, known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_have_the_variance_of_the_tokens(sampler):
    tokens = run(sampler, shape=(50, 20, 20), generator=seeded())
    assert tokens.std().item() == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_noise_follows_from_the_generator_and_not_from_the_images_beside(sampler):
    together = run(sampler, generator=seeded(1))
    torch.testing.assert_close(run(sampler, generator=seeded(1)), together, rtol=0, atol=0)
    assert not torch.allclose(run(sampler, generator=seeded(2)), together)
    generator = seeded(1)
    parts = [run(sampler, shape=(count, 4, 5), generator=generator) for count in (1, 2)]
    torch.testing.assert_close(torch.cat(parts), together)


@pytest.mark.parametrize(
    ("sampler", "times"),
    [
        ("ddim", list(range(99, 0, -5))),
        ("ddpm", list(range(99, -1, -1))),
        ("ancestral", list(range(99, 0, -5))),
        (
            "mindeye2-ddim",
            [94, 89, 84, 79, 74, 69, 64, 59, 54, 49, 44, 39, 34, 29, 24, 19, 14, 9, 4],
        ),
        ("dpmsolver++", list(range(99, 0, -5))),
        ("unipc", list(range(99, 0, -5))),
        (
            "sde-dpmsolver++",
            [99, 90, 83, 76, 71, 65, 60, 54, 49, 45, 40, 35, 30, 26, 21, 17, 13, 8, 4, 0],
        ),
    ],
)
def test_the_network_is_asked_at_these_times(sampler, times):
    seen = []

    def denoise(noisy, at):
        seen.append(at.tolist())
        return noisy

    run(sampler, denoise, generator=seeded())
    assert seen == [[time] * 3 for time in times]


@pytest.mark.parametrize(("sampler", "needed"), [("ddpm", 100), ("mindeye2-ddim", 19), ("ddim", 1)])
def test_given_noises_must_be_as_many_as_are_drawn_or_one_more(sampler, needed):
    noises = torch.randn(needed + 2, *SHAPE, generator=seeded())
    exact = run(sampler, noises=noises[:needed])
    torch.testing.assert_close(run(sampler, noises=list(noises[:-1])), exact, rtol=0, atol=0)
    with pytest.raises(ValueError, match="The given noises end before the sampler does"):
        run(sampler, noises=noises[: needed - 1])
    with pytest.raises(ValueError, match=r"leaves 2 of the given noises over"):
        run(sampler, noises=noises)


def test_ddim_is_that_of_diffusers_where_the_steps_divide_the_times():
    start = torch.randn(SHAPE, generator=seeded())
    theirs = DDIMScheduler(
        num_train_timesteps=100,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        clip_sample=False,
        timestep_spacing="trailing",
    )
    theirs.set_timesteps(20)
    tokens = start
    for time in theirs.timesteps:
        clean = shrunk(tokens, time.expand(3))
        tokens = theirs.step(clean, time, tokens).prev_sample
    torch.testing.assert_close(run("ddim", noises=[start]), tokens, rtol=1e-4, atol=1e-4)


def test_few_step_solvers_come_closer_to_the_limit_than_ddim():
    noises = [torch.randn(30, 4, 5, generator=seeded())]
    limit = run("ddim", shape=(30, 4, 5), steps=100, noises=noises)
    errors = {
        name: (run(name, shape=(30, 4, 5), steps=8, noises=noises) - limit).square().mean().item()
        for name in ("ddim", "dpmsolver++", "unipc")
    }
    assert max(errors["dpmsolver++"], errors["unipc"]) < errors["ddim"]


@pytest.mark.parametrize(
    ("sampler", "steps", "source", "message"),
    [
        ("ddpm", 20, {"generator": seeded()}, r"`ddpm` visits every time, here 100, but 20 steps"),
        ("ddim", 101, {"generator": seeded()}, r"101 sampling steps of a schedule with 100 times"),
        ("mindeye2-ddim", 1, {"generator": seeded()}, "never asks the network"),
        ("ddim", 20, {}, "both or neither of `noises` and `generator`"),
        ("ddim", 20, {"noises": [torch.zeros(2, 4, 5)]}, r"Noise 0 has shape \(2, 4, 5\), but"),
    ],
)
def test_what_does_not_fit_is_refused(sampler, steps, source, message):
    with pytest.raises(ValueError, match=message):
        run(sampler, steps=steps, **source)


def test_an_unknown_sampler_is_refused_with_those_that_are_known():
    with pytest.raises(LookupError, match=r"Unknown sampler `euler`\. Choose one of ddim, ddpm,"):
        run("euler", steps=3, generator=seeded())


class CountingNetwork:
    """Answers with a mixture of all that it is given, and keeps the batches."""

    def __init__(self) -> None:
        self.batches = []

    def __call__(self, noisy, times, brain):
        self.batches.append(len(noisy))
        return torch.tanh(noisy + 2 * brain) * (1 + times.view(-1, 1, 1) / 100)


@pytest.mark.parametrize(("at_once", "batches"), [(True, [6]), (False, [3, 3]), (None, [3, 3])])
def test_guidance_in_one_call_is_guidance_in_two(at_once, batches):
    network = CountingNetwork()
    noisy, brain, null = torch.randn(3, *SHAPE, generator=seeded(1)).unbind()
    times = torch.tensor([0, 50, 99])
    ask = guided(network, brain, lambda noisy: (noisy / 2, null), 3.0, at_once=at_once)
    found = ask(noisy, times)
    assert network.batches == batches
    plain, told = network(noisy / 2, times, null), network(noisy, times, brain)
    torch.testing.assert_close(found, plain + 3 * (told - plain), rtol=0, atol=1e-6)


def test_guidance_of_1_asks_the_conditioned_alone():
    network = CountingNetwork()
    noisy, brain = torch.randn(2, *SHAPE, generator=seeded(1)).unbind()
    times = torch.tensor([0, 50, 99])
    found = guided(network, brain, lambda noisy: (noisy, noisy), 1.0, at_once=True)(noisy, times)
    assert network.batches == [3]
    torch.testing.assert_close(found, network(noisy, times, brain), rtol=0, atol=0)


def test_ancestral_sampling_at_every_time_is_ddpm():
    noises = list(torch.randn(100, *SHAPE, generator=seeded(4)))
    found = run("ancestral", steps=100, noises=noises)
    torch.testing.assert_close(found, run("ddpm", noises=noises), rtol=1e-4, atol=1e-4)


def test_ancestral_sampling_in_few_steps_is_ddim_with_eta_1():
    noises = list(torch.randn(20, *SHAPE, generator=seeded(4)))
    scheduler = DDIMScheduler(
        num_train_timesteps=100,
        trained_betas=SCHEDULE.betas,
        prediction_type="sample",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )
    scheduler.set_timesteps(20)
    tokens = noises[0]
    for time, noise in zip(scheduler.timesteps, [*noises[1:], torch.zeros(SHAPE)], strict=True):
        clean = shrunk(tokens, time.expand(len(tokens)))
        tokens = scheduler.step(clean, time, tokens, eta=1.0, variance_noise=noise).prev_sample
    found = run("ancestral", noises=noises)
    torch.testing.assert_close(found, tokens, rtol=1e-4, atol=1e-4)


def test_the_stochastic_solver_is_that_of_diffusers_at_the_same_times():
    noises = list(torch.randn(20, *SHAPE, generator=seeded(4)))
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=100,
        trained_betas=SCHEDULE.betas,
        prediction_type="sample",
        algorithm_type="sde-dpmsolver++",
        final_sigmas_type="zero",
    )
    times = []
    found = run(
        "sde-dpmsolver++",
        lambda noisy, at: times.append(int(at[0])) or shrunk(noisy, at),
        noises=noises,
    )
    scheduler.set_timesteps(timesteps=times)
    tokens = noises[0]
    for time, noise in zip(times, [*noises[1:], torch.zeros(SHAPE)], strict=True):
        clean = shrunk(tokens, torch.full((len(tokens),), time))
        tokens = scheduler.step(clean, time, tokens, variance_noise=noise).prev_sample
    torch.testing.assert_close(found, tokens, rtol=1e-4, atol=1e-4)


def test_the_help_of_the_verbs_names_every_sampler():
    assert set(re.split(", | or ", SAMPLER_NAMES)) == set(SAMPLERS)

"""Samplers: from noise to clean tokens with a network that predicts them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from mindeye.models.noise_schedule import NoiseSchedule
from mindeye.models.sampling import Algorithm, Denoise, next_noise, predicted
from mindeye.models.sde_solver import sde_dpmsolver

# (noisy tokens, times, brain tokens) -> clean tokens.
Network = Callable[[Tensor, Tensor, Tensor], Tensor]


def sample_tokens(
    denoise: Denoise,
    schedule: NoiseSchedule,
    like: Tensor,
    *,
    sampler: str,
    steps: int,
    noises: Iterable[Tensor] | None,
    generator: torch.Generator | None,
) -> Tensor:
    """Tokens of the shape of `like`, at the scale that the network sees.

    Args:
        sampler: a key of `SAMPLERS`.
        noises: the starting noise, then one for each step that draws any; one left over is fine,
            because published loops also draw for the last step and multiply by zero.
        generator: draws the noises where none are given; that of image i does not depend on the
            images beside it.

    Raises:
        LookupError: unknown sampler.
        ValueError: the steps do not fit the schedule, or the noises do not fit the steps.
    """
    if sampler not in SAMPLERS:
        raise LookupError(f"Unknown sampler `{sampler}`. Choose one of {', '.join(SAMPLERS)}.")
    if not 1 <= steps <= schedule.num_times:
        raise ValueError(
            f"{steps} sampling steps of a schedule with {schedule.num_times} times. "
            f"Choose from 1 to {schedule.num_times}."
        )
    if (noises is None) == (generator is None):
        raise ValueError(
            "Sampling got both or neither of `noises` and `generator`. "
            "Pass one: what is drawn is the caller's."
        )
    source = _drawn(like, generator) if noises is None else _given(like, noises)
    tokens = SAMPLERS[sampler](denoise, schedule, source, steps)
    if noises is not None and len(left := list(source)) > 1:
        raise ValueError(
            f"`{sampler}` in {steps} steps leaves {len(left)} of the given noises over. "
            "Were they drawn for another number of steps?"
        )
    return tokens


def guided(
    network: Network,
    brain_tokens: Tensor,
    without: Callable[[Tensor], tuple[Tensor, Tensor]],
    guidance: float,
    *,
    at_once: bool | None = None,
) -> Denoise:
    """Exaggerates what the condition adds (arXiv:2207.12598); 1 asks the conditioned alone.

    Args:
        without: noisy tokens -> what the network gets instead of them and of the brain tokens
            where there is no condition.
        at_once: one call of twice the batch, equal to 1e-6; None: on accelerators. On a CPU twice
            the tokens leave its cache: one call with 60 x 26 x 128 took 1.2 times as long as two.
    """
    if guidance == 1:
        return lambda noisy, times: network(noisy, times, brain_tokens)
    together = brain_tokens.device.type != "cpu" if at_once is None else at_once

    def denoise(noisy: Tensor, times: Tensor) -> Tensor:
        empty, null = without(noisy)
        if together:
            tokens, brain = torch.cat([empty, noisy]), torch.cat([null, brain_tokens])
            plain, told = network(tokens, torch.cat([times, times]), brain).chunk(2)
        else:
            plain, told = network(empty, times, null), network(noisy, times, brain_tokens)
        return plain + guidance * (told - plain)

    return denoise


def _given(like: Tensor, noises: Iterable[Tensor]) -> Iterator[Tensor]:
    for number, noise in enumerate(noises):
        if noise.shape != like.shape:
            raise ValueError(
                f"Noise {number} has shape {tuple(noise.shape)}, but the tokens have "
                f"{tuple(like.shape)}. Give one noise of that shape for each step."
            )
        yield noise.to(like)


def _drawn(like: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    device = generator.device
    seeds = torch.randint(2**62, (len(like),), generator=generator, device=device).tolist()
    own = [torch.Generator(device).manual_seed(seed) for seed in seeds]
    while True:
        rows = [torch.randn(like.shape[1:], generator=one, device=device) for one in own]
        yield torch.stack(rows).to(like)


def ddim(denoise: Denoise, schedule: NoiseSchedule, noises: Iterator[Tensor], steps: int) -> Tensor:
    """Deterministic DDIM (arXiv:2010.02502) at trailing times (arXiv:2305.08891).

    Differs from diffusers' scheduler in that the last step always ends without noise, also where
    `steps` does not divide the number of times.
    """
    tokens = next_noise(noises)
    # Signal variance at each time; whole at "time" -1, the end.
    kept = torch.tensor([*schedule.alphas_cumprod, 1.0], dtype=torch.float32, device=tokens.device)
    for time, following in pairwise([*_trailing_times(schedule.num_times, steps), -1]):
        clean = predicted(denoise, tokens, time)
        direction = (tokens - kept[time].sqrt() * clean) / (1 - kept[time]).sqrt()
        tokens = kept[following].sqrt() * clean + (1 - kept[following]).sqrt() * direction
    return tokens


def _trailing_times(num_times: int, steps: int) -> list[int]:
    return (np.round(np.arange(num_times, 0, -num_times / steps)).astype(int) - 1).tolist()


def ddpm(denoise: Denoise, schedule: NoiseSchedule, noises: Iterator[Tensor], steps: int) -> Tensor:
    """Ancestral sampling at every time (arXiv:2006.11239); MindEye1's, in 100 steps."""
    if steps != schedule.num_times:
        raise ValueError(
            f"`ddpm` visits every time, here {schedule.num_times}, but {steps} steps were asked "
            f"for. Pass steps={schedule.num_times}, or another sampler."
        )
    tokens = next_noise(noises)
    for time in reversed(range(steps)):
        clean = predicted(denoise, tokens, time)
        of_clean, of_noisy = (
            schedule.posterior_mean_coef1[time],
            schedule.posterior_mean_coef2[time],
        )
        tokens = float(of_clean) * clean + float(of_noisy) * tokens
        if time:
            tokens = tokens + float(schedule.posterior_variance[time]) ** 0.5 * next_noise(noises)
    return tokens


def ancestral(
    denoise: Denoise, schedule: NoiseSchedule, noises: Iterator[Tensor], steps: int
) -> Tensor:
    """Ancestral sampling at a few trailing times (DDIM with eta 1, arXiv:2010.02502).

    At every time it is `ddpm`. Noise that a step adds is averaged over by the next ones, so that
    few steps come nearer to the mean of many long runs than deterministic solvers do.
    """
    tokens, kept = next_noise(noises), [*schedule.alphas_cumprod.tolist(), 1.0]
    for time, following in pairwise([*_trailing_times(schedule.num_times, steps), -1]):
        clean = predicted(denoise, tokens, time)
        now, then = kept[time], kept[following]
        of_clean = then**0.5 * (1 - now / then) / (1 - now)
        of_noisy = (now / then) ** 0.5 * (1 - then) / (1 - now)
        tokens = of_clean * clean + of_noisy * tokens
        if following >= 0:
            deviation = ((1 - then) * (1 - now / then) / (1 - now)) ** 0.5
            tokens = tokens + deviation * next_noise(noises)
    return tokens


def mindeye2_ddim(
    denoise: Denoise, schedule: NoiseSchedule, noises: Iterator[Tensor], steps: int
) -> Tensor:
    """Stochastic DDIM (eta 1) as MindEye2 runs it: `steps` of 20 ask the network 19 times.

    Of 100 times it visits 94, 89, ..., 4, and starts from pure noise although 94 is not the last
    one. Signal shares are those one time earlier, while the noise is read off at the time itself.

    Source: DALLE2-pytorch's `p_sample_loop_ddim`, quirks kept.
    """
    times = torch.linspace(-1, schedule.num_times, steps + 1)[:-1].int().tolist()[::-1]
    if len(times) < 2:
        raise ValueError("`mindeye2-ddim` in 1 step never asks the network. Pass 2 or more steps.")
    tokens = next_noise(noises)
    for time, following in pairwise(times):
        clean = predicted(denoise, tokens, time)
        if following < 0:
            return clean
        here = float(schedule.alphas_cumprod[time])
        noise = (tokens - here**0.5 * clean) / (1 - here) ** 0.5
        now, then = (float(schedule.alphas_cumprod_prev[at]) for at in (time, following))
        drawn = ((1 - now / then) * (1 - then) / (1 - now)) ** 0.5
        tokens = then**0.5 * clean + (1 - then - drawn**2) ** 0.5 * noise
        if following:
            tokens = tokens + drawn * next_noise(noises)
    raise AssertionError("the last time is -1")


def _multistep(scheduler: type, **options: object) -> Algorithm:
    """A few-step solver of diffusers: second order, ends without noise."""

    def run(
        denoise: Denoise, schedule: NoiseSchedule, noises: Iterator[Tensor], steps: int
    ) -> Tensor:
        solver = scheduler(
            num_train_timesteps=schedule.num_times,
            trained_betas=schedule.betas.astype(np.float32),
            prediction_type="sample",
            timestep_spacing="trailing",
            final_sigmas_type="zero",
            **options,
        )
        tokens = next_noise(noises)
        solver.set_timesteps(steps, device=tokens.device)
        for time in solver.timesteps:
            clean = predicted(denoise, tokens, int(time))
            tokens = solver.step(clean, time, tokens).prev_sample
        return tokens

    return run


SAMPLERS: dict[str, Algorithm] = {
    "ddim": ddim,
    "ddpm": ddpm,
    "ancestral": ancestral,
    "sde-dpmsolver++": sde_dpmsolver,
    "mindeye2-ddim": mindeye2_ddim,
    "dpmsolver++": _multistep(DPMSolverMultistepScheduler, algorithm_type="dpmsolver++"),
    "unipc": _multistep(UniPCMultistepScheduler),
}

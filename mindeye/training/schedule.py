"""What changes with the step: learning rate, phase and temperature."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phase:
    """BiMixCo on mixed scans first, SoftCLIP after."""

    mixes: bool
    temperature: float


def one_cycle(step: int, num_steps: int, peak: float, warmup: float) -> float:
    """Learning rate of a step: cosine rise from peak / 25, cosine fall to peak / 25,000.

    Source: the settings of MindEye1 (arXiv:2305.18274, A.5), after arXiv:1708.07120.
    """
    rise = max(1.0, warmup * num_steps)
    if step < rise:
        return _cosine(peak / 25, peak, step / rise)
    return _cosine(peak, peak / 25_000, min(1.0, (step - rise) / max(1.0, num_steps - 1 - rise)))


def phase_by_step(
    share_done: float,
    mixco_phase: float,
    mixco_temperature: float,
    soft_temperatures: tuple[float, float],
) -> Phase:
    """The phase after a share of the training; SoftCLIP's temperature moves with every step."""
    if share_done < mixco_phase:
        return Phase(mixes=True, temperature=mixco_temperature)
    share = (share_done - mixco_phase) / (1 - mixco_phase)
    return Phase(mixes=False, temperature=soft_temperature(share, soft_temperatures))


def phase_by_epoch(
    epoch: int,
    num_epochs: int,
    mixco_phase: float,
    mixco_temperature: float,
    soft_temperatures: tuple[float, float],
) -> Phase:
    """The phase as published: whole epochs, both of SoftCLIP's temperatures are reached."""
    mixed_epochs = int(mixco_phase * num_epochs)
    if epoch < mixed_epochs:
        return Phase(mixes=True, temperature=mixco_temperature)
    share = (epoch - mixed_epochs) / max(1, num_epochs - mixed_epochs - 1)
    return Phase(mixes=False, temperature=soft_temperature(share, soft_temperatures))


def soft_temperature(share_done: float, temperatures: tuple[float, float]) -> float:
    """SoftCLIP's temperature after a share of its phase."""
    return _cosine(temperatures[0], temperatures[1], share_done)


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2

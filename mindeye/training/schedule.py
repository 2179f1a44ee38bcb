"""What changes with the step: learning rate and temperature."""

import math


def one_cycle(step: int, num_steps: int, peak: float, warmup: float) -> float:
    """Learning rate of a step: cosine rise from peak / 25, cosine fall to peak / 25,000.

    Source: the settings of MindEye1 (arXiv:2305.18274, A.5), after arXiv:1708.07120.
    """
    rise = max(1.0, warmup * num_steps)
    if step < rise:
        return _cosine(peak / 25, peak, step / rise)
    return _cosine(peak, peak / 25_000, min(1.0, (step - rise) / max(1.0, num_steps - 1 - rise)))


def soft_temperature(share_done: float, temperatures: tuple[float, float]) -> float:
    """SoftCLIP's temperature after a share of its phase."""
    return _cosine(temperatures[0], temperatures[1], share_done)


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2

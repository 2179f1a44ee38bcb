"""Whether a step stayed finite, at next to no cost."""

import math
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mindeye.training.sharded import gathered


class NonFiniteError(FloatingPointError):
    """A loss, a gradient or a weight of a step is not finite."""

    def __init__(self, step: int, seen: str, values: Mapping[str, float]) -> None:
        super().__init__(seen)
        self.step, self.values = step, dict(values)


def require_finite_step(
    step: int, loss: float, gradients: float, values: Mapping[str, float]
) -> None:
    """Refuses a step whose numbers are not all finite.

    Raises:
        NonFiniteError: names step and losses.
    """
    parts = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    if not math.isfinite(loss):
        raise NonFiniteError(step, f"The loss is {loss} at step {step}: {parts}.", values)
    if not math.isfinite(gradients):
        seen = f"A gradient is not finite at step {step}, though the losses are: {parts}."
        raise NonFiniteError(step, seen, values)


@torch.no_grad()
def size_of_small_gradients(parameters: Iterable[nn.Parameter]) -> Float[Tensor, ""]:
    """The norm of the gradients of biases and gains, on their device.

    It is not finite when a gradient that passed through their layers was not: a bias' gradient is
    the sum of what reaches its layer, and what is not finite stays so on its way down. Of MindEye1
    that is a thousandth of all gradients, which need not be read again.
    """
    small = [one.grad for one in parameters if one.grad is not None and one.ndim < 2]
    return gathered(nn.utils.get_total_norm(small))

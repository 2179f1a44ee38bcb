"""AdamW whose moments take half the memory."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import BFloat16, Float, Int
from torch import Tensor
from torch.optim.adamw import adamw

# Elements that are updated at once: few enough for a processor's cache, or for a GPU to be busy.
CHUNK_OF = {"cpu": 2**18}
CHUNK = 2**24
MOMENTS = ("exp_avg", "exp_avg_sq")


class HalfMomentAdamW(torch.optim.Optimizer):
    """torch's AdamW on moments that are kept in bfloat16: 4 bytes a parameter, not 8.

    The second moment moves by a thousandth a step, less than bfloat16 tells apart: rounded to the
    nearest it would stand still. It is rounded up or down at random instead, so that its mean is
    right (stochastic rounding, as in arXiv:2010.06192). The random numbers follow from the step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, given)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One update; see torch.optim.Optimizer."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: Mapping[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # In memory: no device is asked for it.
            state["step"] = torch.zeros(())
            for name in MOMENTS:
                state[name] = torch.zeros_like(parameter, dtype=torch.bfloat16)
        chunk = CHUNK_OF.get(parameter.device.type, CHUNK)
        noise = _noise(int(state["step"]), min(chunk, parameter.numel()), parameter.device)
        written = (parameter, *(state[name] for name in MOMENTS))
        flat = (parameter.grad.reshape(-1), *(one.view(-1) for one in written))
        for gradient, values, first, second in zip(*(one.split(chunk) for one in flat)):
            mean, square = first.float(), second.float()
            adamw(
                [values],
                [gradient],
                [mean],
                [square],
                [],
                [torch.full((), float(state["step"]), device=values.device)],
                fused=True,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )
            first.copy_(mean)
            second.copy_(rounded_at_random(square, noise[: len(square)]))
        state["step"] += 1

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes a saved state over; torch makes its moments float32, which loses nothing."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            for name in MOMENTS:
                state[name] = state[name].to(torch.bfloat16)


def rounded_at_random(
    values: Float[Tensor, "values"], noise: Int[Tensor, "values"]
) -> BFloat16[Tensor, "values"]:
    """A neighbour in bfloat16, the nearer the likelier; `noise` is drawn from 0 to 65,535."""
    # What bfloat16 drops are the last 16 bits: a carry out of them rounds up.
    bits = values.view(torch.int32) + noise
    return bits.bitwise_and_(-65536).view(torch.float32).bfloat16()


def _noise(step: int, count: int, device: torch.device) -> Int[Tensor, "values"]:
    """The same for every chunk of a parameter, which leaves each element's mean right."""
    generator = torch.Generator(device).manual_seed(step)
    return torch.randint(2**16, (count,), generator=generator, device=device, dtype=torch.int32)

"""A training loop that can be killed: by-step randomness, a checkpoint every minute."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mindeye.files import atomic_path

SAVE_EVERY_S = 60.0


def train(
    module: nn.Module,
    step_losses: Callable[[int], Mapping[str, Tensor]],
    *,
    num_steps: int,
    learning_rate: float,
    checkpoint: Path,
    report: Callable[[int, Mapping[str, float]], None],
    weight_decay: float = 0.01,
    average: float | None = None,
) -> dict[str, Tensor]:
    """Minimises the sum of `step_losses(step)`; returns the final (or averaged) weights.

    The learning rate warms up over 2 % of the steps and falls to zero as a cosine. With
    `average`, an exponential moving average of the weights is kept and returned.
    """
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    averaged = {name: value.clone() for name, value in module.state_dict().items()}
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        module.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        averaged, start = state["averaged"], state["step"]
    saved_at = time.monotonic()
    for step in range(start, num_steps):
        warm = min(1.0, (step + 1) / (0.02 * num_steps))
        fall = 0.5 * (1 + math.cos(math.pi * step / num_steps))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warm * fall
        losses = step_losses(step)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        keep = 0.0 if average is None else min(average, (step + 1) / (step + 10))
        for name, value in module.state_dict().items():
            averaged[name] = torch.lerp(value, averaged[name], keep) if keep else value.clone()
        if step % 20 == 0 or step == num_steps - 1:
            report(step, {name: float(value) for name, value in losses.items()})
        if time.monotonic() - saved_at > SAVE_EVERY_S or step == num_steps - 1:
            with atomic_path(checkpoint) as temporary:
                torch.save(
                    {
                        "weights": module.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "averaged": averaged,
                        "step": step + 1,
                    },
                    temporary,
                )
            saved_at = time.monotonic()
    return averaged

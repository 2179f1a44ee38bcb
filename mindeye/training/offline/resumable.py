"""A training loop that can be killed: by-step randomness, a checkpoint every minute."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mindeye.files import atomic_path

SAVE_EVERY_S = 60.0
REPORT_EVERY = 20


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training: how long, from which seed, and where it keeps what it needs to go on."""

    name: str
    work: Path
    num_steps: int
    batch: int
    seed: int
    report: Callable[[int, Mapping[str, float]], None]
    """Takes the step and its losses, now and then."""

    @property
    def checkpoint(self) -> Path:
        return self.work / f"{self.name}.pt"

    @property
    def done(self) -> Path:
        """Exists once the stage's network is written: a later stage may have trained it on."""
        return self.work / f"{self.name}.done"


def train(
    module: nn.Module,
    step_losses: Callable[[int], Mapping[str, Tensor]],
    stage: Stage,
    *,
    learning_rate: float,
    weight_decay: float = 0.01,
    average: float | None = None,
) -> dict[str, Tensor]:
    """Minimises the sum of `step_losses(step)`; returns the final (or averaged) weights.

    The learning rate warms up over 2 % of the steps and falls to zero as a cosine. With
    `average`, an exponential moving average of the weights is kept and returned.
    """
    num_steps, checkpoint = stage.num_steps, stage.checkpoint
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
        if step % REPORT_EVERY == 0 or step == num_steps - 1:
            stage.report(step, {name: float(value.detach()) for name, value in losses.items()})
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

"""Where a training stands, kept against kills."""

import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mindeye.training.among_processes import numbers_of_all
from mindeye.training.choosing import WeightsChoice
from mindeye.training.finite import NonFiniteError
from mindeye.training.processes import main_first
from mindeye.training.state import TrainingState
from mindeye.training.stopping import StopRequest

# Greatest share of the time that goes into writing checkpoints.
SAVING_SHARE = 0.1


def resume(state: TrainingState, choice: WeightsChoice) -> int:
    """Takes over the last checkpoint, if there is one; gives the step that comes next."""
    # The first process puts files in place where a kill came between.
    saved = main_first(state.accelerator, state.run.checkpoints.load)
    if not saved:
        return 0
    state.load(saved["weights"], saved["optimizer"])
    choice.load_state_dict(saved["choice"])
    return saved["step"]


class SavingTimes:
    """When a checkpoint is due: after so many seconds, or more where writing one takes long.

    Args:
        every_s: 0 for after every step, however long that takes.
    """

    def __init__(self, every_s: float, now: float) -> None:
        self.every_s, self.saved_at, self.took_s = every_s, now, 0.0

    def is_due(self, now: float) -> bool:
        needed = self.took_s * (1 / SAVING_SHARE - 1)
        return not self.every_s or now - self.saved_at > max(self.every_s, needed)

    def saved(self, started: float, now: float) -> None:
        self.saved_at, self.took_s = now, now - started


class CheckpointKeeper:
    """Writes a checkpoint every so many seconds, and when somebody wants the training to end."""

    def __init__(
        self, state: TrainingState, choice: WeightsChoice, stop: StopRequest, first: int
    ) -> None:
        self.state, self.choice, self.stop = state, choice, stop
        self.kept_step = first
        """The step that comes next after the last checkpoint; 0 without one."""
        self.times = SavingTimes(state.config.schedule.save_every_s, time.monotonic())

    def after(self, step: int) -> None:
        """To be called when a step is done.

        Raises:
            StoppedError: a signal has asked for the end; the checkpoint is written.
            NonFiniteError: a weight or a moment is not finite; the checkpoint before is kept.
        """
        due, number = self._agreed(self.times.is_due(time.monotonic()))
        if due or number:
            self.save(step + 1)
        if number:
            raise self.stop.error(step + 1, self.state.length.num_steps, number)

    def _agreed(self, due: bool) -> tuple[bool, int]:
        """Whether a checkpoint is due by the first process, and the signal that any process got."""
        own = (self.stop.number or 0) * 2 + due
        every = numbers_of_all(own)
        return bool(every[0] % 2), max(every) // 2

    def save(self, step: int) -> None:
        """Keeps the state before step `step`.

        Raises:
            NonFiniteError: a loss, a gradient or a weight is not finite.
        """
        state, started = self.state, time.monotonic()
        # Nothing that follows a loss which is not finite may replace a good checkpoint.
        state.watch.fetch()
        if state.is_sharded or state.accelerator.is_main_process:
            content = {
                "step": step,
                "weights": state.full_weights(),
                "optimizer": state.full_optimizer(),
                "choice": self.choice.state_dict(),
            }
            if state.accelerator.is_main_process:
                require_finite(content, step)
                state.run.checkpoints.save(content)
        # Met here, where a slow disk is waited for: in the next step the others would lose their
        # patience, and one that a signal ends would make its launcher end the writing one.
        numbers_of_all(step)
        self.kept_step = step
        self.times.saved(started, time.monotonic())


def require_finite(content: Mapping[str, Any], step: int) -> None:
    """Refuses to keep what no training could go on from.

    Raises:
        NonFiniteError: names the first weight or moment that is not finite.
    """
    for name, one in _tensors_of(content):
        if one.is_floating_point() and not one.isfinite().all():
            seen = f"`{name}` is not finite after step {step - 1}: it is not written."
            raise NonFiniteError(step - 1, seen, {})


def _tensors_of(content: Any, path: str = "") -> list[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        return [(path, content)]
    if isinstance(content, Mapping):
        pairs = list(content.items())
    else:
        pairs = list(enumerate(content)) if isinstance(content, list | tuple) else []
    return [
        found
        for key, one in pairs
        for found in _tensors_of(one, f"{path}.{key}" if path else str(key))
    ]

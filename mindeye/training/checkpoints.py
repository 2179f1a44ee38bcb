"""Where a training stands, kept against kills."""

import time

from mindeye.training.among_processes import numbers_of_all
from mindeye.training.state import TrainingState


def resume(state: TrainingState) -> int:
    """Takes over the last checkpoint, if there is one; gives the step that comes next."""
    saved = state.run.checkpoints.load()
    if not saved:
        return 0
    state.load(saved["weights"], saved["optimizer"])
    return saved["step"]


class CheckpointKeeper:
    """Writes a checkpoint every so many seconds."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self.saved_at = time.monotonic()

    def after(self, step: int) -> None:
        """To be called when a step is done."""
        state = self.state
        due = time.monotonic() - self.saved_at > state.config.schedule.save_every_s
        if state.is_sharded:
            # The first process' clock decides, but each holds a part.
            due = bool(numbers_of_all(due)[0])
        if not due:
            return
        # Nothing that follows a loss which is not finite may replace a good checkpoint.
        state.watch.fetch()
        self.saved_at = time.monotonic()
        if not (state.is_sharded or state.accelerator.is_main_process):
            return
        saved = {"weights": state.full_weights(), "optimizer": state.full_optimizer()}
        if state.accelerator.is_main_process:
            state.run.checkpoints.save({**saved, "step": step + 1})
        self.saved_at = time.monotonic()

"""Where a training stands, kept against kills."""

import time

from mindeye.training.state import TrainingState


def resume(state: TrainingState) -> int:
    """Takes over the last checkpoint, if there is one; gives the step that comes next."""
    saved = state.run.load_checkpoint()
    if not saved:
        return 0
    state.decoder.load_state_dict(saved["weights"])
    state.optimizer.load_state_dict(saved["optimizer"])
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
        if not (due and state.accelerator.is_main_process):
            return
        state.run.save_checkpoint(
            {
                "weights": state.decoder.state_dict(),
                "optimizer": state.optimizer.state_dict(),
                "step": step + 1,
            }
        )
        self.saved_at = time.monotonic()

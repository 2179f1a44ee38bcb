"""The steps of a training, kept against kills, signals and losses that are not finite."""

from collections.abc import Iterator
from contextlib import contextmanager

from mindeye.training.checkpoints import CheckpointKeeper
from mindeye.training.choosing import WeightsChoice
from mindeye.training.finite import NonFiniteError
from mindeye.training.non_finite import save_batch
from mindeye.training.state import TrainingState
from mindeye.training.stopping import finishing_the_step


@contextmanager
def kept_alive(
    state: TrainingState, choice: WeightsChoice, first: int
) -> Iterator[CheckpointKeeper]:
    """Around all steps from `first` on; the keeper is to be told of each.

    Raises:
        FloatingPointError: a step was not finite: what it learned from is saved, and where and
            how to go on is said.
        StoppedError: a signal.
    """
    with finishing_the_step() as stop:
        keeper = CheckpointKeeper(state, choice, stop, first)
        try:
            yield keeper
        except NonFiniteError as error:
            path = state.run.path / "non_finite" / f"step_{error.step:06d}.safetensors"
            if state.accelerator.is_main_process:
                save_batch(state, error, path)
            kept = f"step {keeper.kept_step}" if keeper.kept_step else "none yet"
            raise FloatingPointError(
                f"{error} Last good checkpoint: {kept}. What the step learned from is in {path}. "
                "The same command meets the same step again: lower schedule.learning_rate, and "
                "add --accept-changes to go on from the checkpoint."
            ) from error

"""One update of the decoder's weights."""

import torch

from mindeye.training.objective import StepBatch
from mindeye.training.order import derived_seed
from mindeye.training.schedule import Phase
from mindeye.training.starting import training_mode
from mindeye.training.state import TrainingState


def one_step(
    state: TrainingState, batch: StepBatch, step: int, phase: Phase, generator: torch.Generator
) -> dict[str, float]:
    """One update; its randomness follows from (seed, step) alone.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    config, accelerator = state.config, state.accelerator
    training_mode(state.decoder)
    with torch.random.fork_rng(), accelerator.autocast():
        # Dropout draws from torch's global stream: fixed here by the step, restored after it.
        torch.manual_seed(derived_seed(config.seed, step, 1))
        quirks = config.quirks.resolved()
        losses, monitors = state.wrapped(batch, config.losses, phase, quirks, generator)
        total = sum(losses.values())
    values = {name: value.item() for name, value in {**losses, **monitors}.items()}
    if not torch.isfinite(total):
        parts = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        raise FloatingPointError(
            f"The loss is {total.item()} at step {step}: {parts}. "
            "Lower schedule.learning_rate; the last good checkpoint is kept."
        )
    state.optimizer.zero_grad(set_to_none=True)
    accelerator.backward(total)
    state.optimizer.step()
    return values

"""One update of the decoder's weights."""

from dataclasses import fields, replace

import torch

from mindeye.training.among_processes import of_all_processes
from mindeye.training.drawn_step import StepBatch, TargetBatch, drawn_step
from mindeye.training.finite import size_of_small_gradients
from mindeye.training.gradients import add_gradients
from mindeye.training.schedule import Phase
from mindeye.training.starting import training_mode
from mindeye.training.state import TrainingState


def one_step(
    state: TrainingState, batch: StepBatch, step: int, phase: Phase, generator: torch.Generator
) -> None:
    """One update; its randomness follows from (seed, step) alone. `state.watch` sees its losses.

    Raises:
        NonFiniteError: the loss or a gradient is not finite. On an accelerator this is seen some
            steps later, before a checkpoint.
    """
    config, decoder = state.config, state.decoder
    training_mode(decoder)
    quirks = config.quirks.resolved()
    if state.accelerator.num_processes > 1:
        batch = replace(batch, targets=_targets_of_all(batch.targets))
    drawn = drawn_step(decoder.prior, batch, config.losses, phase, quirks, generator)
    state.optimizer.zero_grad(set_to_none=True)
    losses, monitors = add_gradients(state, drawn, step, phase)
    gradients = size_of_small_gradients(decoder.parameters())
    state.watch.see(step, sum(losses.values()), {**losses, **monitors}, gradients)
    state.optimizer.step()


def _targets_of_all(own: TargetBatch) -> TargetBatch:
    """The targets of the whole batch, of which every process has read its part."""
    columns = {field.name: getattr(own, field.name) for field in fields(TargetBatch)}
    return TargetBatch(
        **{name: None if one is None else of_all_processes(one) for name, one in columns.items()}
    )

"""The batches of a training, read one step ahead."""

from collections.abc import Iterator

import torch

from mindeye.training.ahead import one_ahead
from mindeye.training.drawn_step import StepBatch
from mindeye.training.order import derived_seed
from mindeye.training.state import TrainingState
from mindeye.training.step_batch import step_batch


def fed(state: TrainingState, first: int) -> Iterator[tuple[int, StepBatch, torch.Generator]]:
    """Each step from `first` on with what it learns from and where its randomness comes from.

    Betas and targets of the next step are read while this one is computed.
    """
    return one_ahead(_batches(state, first))


def _batches(state: TrainingState, first: int) -> Iterator[tuple[int, StepBatch, torch.Generator]]:
    config, device = state.config, state.accelerator.device
    for rows in state.length.batches(config.seed, first):
        generator = torch.Generator().manual_seed(derived_seed(config.seed, rows.step))
        share = state.share(config.schedule.batch)
        batch = step_batch(config, state.material, rows, generator, device, share)
        yield rows.step, batch, generator

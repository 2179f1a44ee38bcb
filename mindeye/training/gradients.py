"""The gradient of a step, whatever part of its batch is in memory at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor

from mindeye.training.among_processes import of_all_processes, sums
from mindeye.training.drawn_step import DrawnStep
from mindeye.training.order import derived_seed
from mindeye.training.schedule import Phase
from mindeye.training.share import Share
from mindeye.training.state import TrainingState

Values = dict[str, Tensor]


def add_gradients(
    state: TrainingState, drawn: DrawnStep, step: int, phase: Phase
) -> tuple[Values, Values]:
    """Adds a step's gradient to the weights'; gives losses and monitors of the whole batch.

    Where a process has its trials in several shares, all outputs that contrasts compare are
    computed before, without gradient: one more forward, and the contrast stays that of the whole
    batch. Dropout's masks are drawn anew, and equal, in the second forward.

    Source: gradient caching, arXiv:2101.06983.
    """
    shares = state.shares(drawn.num_trials)
    if len(shares) > 1:
        shares = _knowing_all(state, drawn, step, shares)
    losses: Values = {}
    monitors: Values = {}
    for share in shares:
        is_last = share is shares[-1]
        with nullcontext() if is_last else state.accelerator.no_sync(state.wrapped):
            with _dropout_of(state, step, share), state.accelerator.autocast():
                own, seen = state.wrapped(drawn, state.config.losses, phase, share)
                total = sum(own.values())
            # Shares add up, but processes' gradients are averaged.
            state.accelerator.backward(total * state.accelerator.num_processes)
        _add(losses, own)
        _add(monitors, seen)
    summed = sums({**losses, **monitors})
    return {name: summed[name] for name in losses}, {name: summed[name] for name in monitors}


def _knowing_all(
    state: TrainingState, drawn: DrawnStep, step: int, shares: Sequence[Share]
) -> list[Share]:
    """The same shares with the outputs of all trials of all processes."""
    found: list[Mapping[str, Tensor]] = []
    for share in shares:
        with torch.no_grad(), _dropout_of(state, step, share), state.accelerator.autocast():
            found.append(state.wrapped(drawn, state.config.losses, None, share)[1])
    known = {name: of_all_processes(torch.cat([one[name] for one in found])) for name in found[0]}
    return [replace(share, known=known) for share in shares]


@contextmanager
def _dropout_of(state: TrainingState, step: int, share: Share) -> Iterator[None]:
    """Fixes torch's global stream, from which dropout draws, for a share of a step.

    Equal shares of a step draw the same masks, whichever process has them.
    """
    place = () if share.is_whole else (share.first,)
    device = state.accelerator.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(state.config.seed, step, 1, *place))
        yield


def _add(sums_of: Values, values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        added = value.detach()
        sums_of[name] = sums_of[name] + added if name in sums_of else added

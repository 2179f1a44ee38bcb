"""Weights and optimizer state that are spread over processes, as if one process held them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor


def gathered(value: Any) -> Any:
    """The same mapping or list with whole tensors; all processes must ask for it.

    What is not spread is handed back as it is.
    """
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {key: gathered(one) for key, one in value.items()}
    if isinstance(value, list):
        return [gathered(one) for one in value]
    return value


def gathered_by(value: Any, is_keeper: bool) -> Any:
    """The same, but only a keeper of the processes has whole tensors, and in the CPU's memory.

    The others have None in their place: none holds more than one tensor besides its own parts.
    """
    if isinstance(value, DTensor):
        whole = value.full_tensor()
        return whole.cpu() if is_keeper else None
    if isinstance(value, Mapping):
        return {key: gathered_by(one, is_keeper) for key, one in value.items()}
    if isinstance(value, list):
        return [gathered_by(one, is_keeper) for one in value]
    return value


@torch.no_grad()
def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Takes over whole weights; of those that are spread, this process' part."""
    own = module.state_dict()
    spread = {name: _like(value, own[name]) for name, value in weights.items()}
    module.load_state_dict(spread)


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """The same for the state of an optimizer."""
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    state = {
        place: {name: _like(value, parameters[place]) for name, value in of_one.items()}
        for place, of_one in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "state": state})


@contextmanager
def in_one_piece(module: nn.Module) -> Iterator[None]:
    """Lets parts of a module be asked one by one, not through the module; in all processes."""
    spread = [one for one in module.modules() if isinstance(one, FSDPModule)]
    for one in spread:
        one.unshard()
    try:
        yield
    finally:
        for one in spread:
            one.reshard()


def _like(value: Any, own: Any) -> Any:
    """`value`, spread as `own` is. A step count, a scalar, is not spread."""
    if not (isinstance(own, DTensor) and isinstance(value, Tensor) and value.shape == own.shape):
        return value
    return distribute_tensor(value.to(own.device), own.device_mesh, own.placements)

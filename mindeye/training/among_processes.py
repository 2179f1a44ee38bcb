"""What the processes of a training tell each other."""

from collections.abc import Mapping

import torch
from torch import Tensor, distributed


def num_processes() -> int:
    """1 where no group of processes was started."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@torch.no_grad()
def of_all_processes(own: Tensor) -> Tensor:
    """The rows of all processes, in their order; each brings as many. Without gradient."""
    if num_processes() == 1:
        return own.detach()
    every = own.new_empty((num_processes() * len(own), *own.shape[1:]))
    distributed.all_gather_into_tensor(every, own.detach().contiguous())
    return every


@torch.no_grad()
def sums(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each number added up over all processes, in one exchange."""
    if num_processes() == 1 or not values:
        return dict(values)
    added = torch.stack([value.detach().float() for value in values.values()])
    distributed.all_reduce(added)
    return dict(zip(values, added.unbind(), strict=True))

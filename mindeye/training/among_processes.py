"""What the processes of a training tell each other."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

import torch
from torch import Tensor, distributed

# Embedding all pictures of a subject takes the first process minutes, on a CPU hours.
PATIENCE = timedelta(days=1)


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


def numbers_of_all(own: int) -> list[int]:
    """A number of each process, in their order."""
    if num_processes() == 1:
        return [own]
    every = [torch.zeros(1, dtype=torch.int64) for _ in range(num_processes())]
    distributed.all_gather(every, torch.tensor([own], dtype=torch.int64), group=_patient_group())
    return [int(one) for one in every]


def first_failure(message: str | None) -> tuple[int, str] | None:
    """The first process that has a message, and its message; None where none has."""
    own = (message or "").encode()
    lengths = numbers_of_all(-1 if message is None else len(own))
    failed = [process for process, length in enumerate(lengths) if length >= 0]
    if not failed:
        return None
    first = failed[0]
    if not lengths[first]:
        return first, ""
    is_mine = distributed.get_rank() == first
    told = torch.zeros(lengths[first], dtype=torch.uint8)
    if is_mine:
        told = torch.tensor(list(own), dtype=torch.uint8)
    distributed.broadcast(told, src=first, group=_patient_group())
    return first, bytes(told.tolist()).decode()


@cache
def _patient_group() -> distributed.ProcessGroup:
    """For messages between CPUs; a process that ends is seen at once, a busy one is waited for."""
    return distributed.new_group(backend="gloo", timeout=PATIENCE)

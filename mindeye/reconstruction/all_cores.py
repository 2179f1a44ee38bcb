"""One picture a core: the many small steps of a metric gain nothing from cores within a step."""

import multiprocessing
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

Item = TypeVar("Item")
Result = TypeVar("Result")
# Fewer blocks of pictures than this for each process are done before it has started.
FEWEST_ITEMS = 8


def map_on_all_cores(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results in order, from up to as many processes as torch would use threads, one core each.

    torch's own threads wait for each other at every step (SSIM takes several times as long as on
    one core), and threads over pictures for the interpreter. The processes are those of torch's
    DataLoader, which starts them without copies where the system can.

    Args:
        function: can be pickled, for systems that cannot; gives no tensors.
    """
    num_cores = torch.get_num_threads()
    alone = multiprocessing.current_process().daemon  # such a process may not start others
    num_workers = min(num_cores, len(items) // FEWEST_ITEMS)
    if num_workers > 1 and not alone:
        loader = DataLoader(
            _Mapped(function, items),
            batch_size=None,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # or it would draw from everybody's
        )
        return list(loader)
    torch.set_num_threads(1)
    try:
        return [function(item) for item in items]
    finally:
        torch.set_num_threads(num_cores)


class _Mapped(Dataset, Generic[Item, Result]):
    """Items seen through a function."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._function, self._items = function, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Result:
        return self._function(self._items[place])


def _as_it_is(result: Result) -> Result:
    return result

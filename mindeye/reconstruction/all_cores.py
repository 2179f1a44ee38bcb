"""One picture a core: the many small steps of a metric gain nothing from cores within a step."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_on_all_cores(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Results in order, from as many threads as torch would use, each with one core.

    torch's own threads wait for each other at every step (SSIM takes several times as long as on
    one core); threads over pictures do not, because torch's steps release the interpreter.
    """
    num_threads = torch.get_num_threads()
    if num_threads == 1:
        return [function(item) for item in items]

    def undisturbed(item: Item) -> Result:
        with torch.inference_mode():
            return function(item)

    try:
        with ThreadPoolExecutor(
            num_threads, initializer=torch.set_num_threads, initargs=(1,)
        ) as threads:
            return list(threads.map(undisturbed, items))
    finally:
        torch.set_num_threads(num_threads)

"""How fast a training is, and how much memory it takes."""

import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.profiler import record_function

Item = TypeVar("Item")

# Of a step's wait for its batch, in the profiler's traces.
WAIT_EVENT = "wait for the batch"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Since the line of the log before this one; validation and samples not counted."""

    images_per_s: float
    waiting: float
    """Share of the time in which the step waited for its batch."""
    memory_gb: dict[str, float]

    @property
    def line(self) -> dict[str, float]:
        """The same as one line of speed.jsonl, short of needless digits."""
        values = {"images_per_s": self.images_per_s, "waiting": self.waiting}
        memory = {f"{name}_gb": value for name, value in self.memory_gb.items()}
        return {name: float(f"{value:.4g}") for name, value in (values | memory).items()}


class Stopwatch:
    """Times steps, and within them the wait for their batches."""

    def __init__(self, images_per_step: int, device: torch.device) -> None:
        self.images_per_step = images_per_step
        self.device = device
        self.restart()

    def restart(self) -> None:
        self.began_at = time.perf_counter()
        self.waited_s = 0.0
        self.num_steps = 0

    def timed(self, batches: Iterator[Item]) -> Iterator[Item]:
        """The same batches; each is one step."""
        end = object()
        while True:
            asked_at = time.perf_counter()
            with record_function(WAIT_EVENT):
                batch = next(batches, end)
            self.waited_s += time.perf_counter() - asked_at
            if batch is end:
                return
            self.num_steps += 1
            yield batch

    def speed(self) -> Speed:
        """Since the last restart. On a GPU exact only where the step's values have been fetched."""
        passed_s = max(time.perf_counter() - self.began_at, 1e-9)
        return Speed(
            images_per_s=self.num_steps * self.images_per_step / passed_s,
            waiting=min(1.0, self.waited_s / passed_s),
            memory_gb=peak_memory_gb(self.device),
        )


def peak_memory_gb(device: torch.device) -> dict[str, float]:
    """The most that this process held so far: `resident`, and of a GPU `allocated`, `reserved`."""
    # Linux counts kilobytes here, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    memory = {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}
    if device.type == "cuda":
        memory["allocated"] = torch.cuda.max_memory_allocated(device) / 1e9
        memory["reserved"] = torch.cuda.max_memory_reserved(device) / 1e9
    return memory

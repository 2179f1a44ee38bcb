"""How fast a machine multiplies and moves memory, and what a training would take on it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

# Each measurement goes on for so long.
MEASURED_S = 1.0
FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Hardware:
    flop_per_s: float
    bytes_per_s: float
    origin: str
    """How these are known."""

    def __post_init__(self) -> None:
        if not (self.flop_per_s > 0 and self.bytes_per_s > 0):
            raise ValueError(
                f"{self.flop_per_s / 1e12} TFLOP/s and {self.bytes_per_s / 1e12} TB/s were given. "
                "Both must be more than 0."
            )

    def hours(self, num_steps: int, flop: int, num_bytes: int) -> float:
        """Of steps that compute so much and move so many bytes, one after the other.

        At least: batches, small operators and validation take time too.
        """
        return num_steps * (flop / self.flop_per_s + num_bytes / self.bytes_per_s) / 3600


def measured(device: torch.device, dtype: torch.dtype, seconds: float = MEASURED_S) -> Hardware:
    """This machine: products of square matrices, and sums of long vectors into one of them."""
    side, length = (8192, 2**28) if device.type == "cuda" else (1024, 2**24)
    left = torch.ones(side, side, dtype=dtype, device=device)
    products = _per_s(lambda: left @ left, device, seconds)
    first, second = (torch.ones(length, device=device) for _ in range(2))
    sums = _per_s(lambda: first.add_(second), device, seconds)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "this CPU"
    return Hardware(
        flop_per_s=products * 2 * side**3,
        # Two vectors are read, one is written.
        bytes_per_s=sums * 3 * length * FLOAT32_BYTES,
        origin=f"measured on {name} just now, {str(dtype).removeprefix('torch.')}",
    )


def _per_s(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """How often something is done in a second."""
    _finish(work, device)  # the first time is slower
    done, began_at = 0, time.perf_counter()
    while (passed := time.perf_counter() - began_at) < seconds or not done:
        _finish(work, device)
        done += 1
    return done / max(passed, 1e-9)


def _finish(work: Callable[[], object], device: torch.device) -> None:
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)

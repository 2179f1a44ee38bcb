"""Which options make a training smaller, and by how many bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from mindeye.training.compute import MOMENT_BYTES, ComputeConfig


@dataclass(frozen=True, kw_only=True)
class Saving:
    option: str
    num_bytes: float


def savings_of(module: nn.Module, compute: ComputeConfig) -> list[Saving]:
    """What each option that is not taken yet saves for this model, the largest first.

    Of parameters that learn: their moments, and all gradients but the largest. Activations are not
    counted.
    """
    counts = [one.numel() for one in module.parameters() if one.requires_grad]
    now = MOMENT_BYTES[compute.optimizer_state]
    found = [
        Saving(option=f"compute.optimizer_state: {name}", num_bytes=(now - each) * sum(counts))
        for name, each in MOMENT_BYTES.items()
    ]
    if not compute.free_gradients:
        freed = 4.0 * (sum(counts) - max(counts, default=0))
        found.append(Saving(option="compute.free_gradients: true", num_bytes=freed))
    kept = [one for one in found if one.num_bytes > 0]
    return sorted(kept, key=lambda one: one.num_bytes, reverse=True)


def out_of_memory(savings: Sequence[Saving], compute: ComputeConfig, batch: int) -> MemoryError:
    """The error of a training that a device has no room for."""
    told = [f"{one.option} saves {one.num_bytes / 1e9:.2f} GB" for one in savings]
    if not compute.recompute_blocks:
        told.append("compute.recompute_blocks: true saves most of the prior's activations")
    told.append(f"schedule.micro_batch below {batch} saves activations in proportion")
    return MemoryError(
        f"The device has no room for this training with a batch of {batch}. For this model, "
        f"{'; '.join(told)}."
    )

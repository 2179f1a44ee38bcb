"""The weights of a checkpoint: names and shapes at once, tensors when they are asked for."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mindeye.models.checkpoint.inert_names import Inert
from mindeye.models.checkpoint.stored_tensor import PartitionedTensor, StoredTensor

# Where training programs put the weights inside of what they save; else they are the whole.
STATE_KEYS = ("model_state_dict", "state_dict", "module")
# What wrappers put before the names of the model, or part of a model, that they wrap.
_WRAPPERS = re.compile(r"(?<![^.])(?:module|_orig_mod)\.")


class CheckpointWeights(Mapping[str, Tensor]):
    """Name -> tensor, mapped from the file at every access and kept by nobody."""

    def __init__(self, stored: Mapping[str, StoredTensor | PartitionedTensor]) -> None:
        self.stored = dict(stored)

    def __getitem__(self, name: str) -> Tensor:
        return self.stored[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self.stored

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Without touching the tensor."""
        return self.stored[name].shape

    @property
    def num_bytes(self) -> int:
        """Of all tensors, each counted whole."""
        return sum(math.prod(one.shape) * one.dtype.itemsize for one in self.stored.values())


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The weights of a checkpoint and what it says of itself."""

    weights: CheckpointWeights
    epoch: int | None
    files: tuple[Path, ...]
    """All files that were read."""


def state_of(content: Any, path: Path) -> dict[str, StoredTensor]:
    """The weights in what was saved, under the names of the model itself.

    Raises:
        ValueError: something else than tensors, or two tensors of one name.
    """
    state = content
    if isinstance(content, dict):
        state = next((content[key] for key in STATE_KEYS if key in content), content)
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path} holds no weights. Is it a checkpoint of a model?")
    found: dict[str, StoredTensor] = {}
    for name, value in state.items():
        if not isinstance(value, StoredTensor):
            kind = f"`{value.name}`" if isinstance(value, Inert) else type(value).__name__
            raise ValueError(
                f"{path}: `{name}` is no plain tensor but {kind}, which is not run. "
                "Is this a checkpoint of a model?"
            )
        own = own_name(str(name))
        if own in found:
            raise ValueError(f"{path} holds `{own}` twice, with and without a wrapper's prefix.")
        found[own] = value
    return found


def own_name(name: str) -> str:
    """A tensor's name without what DistributedDataParallel or torch.compile put into it."""
    return _WRAPPERS.sub("", name)

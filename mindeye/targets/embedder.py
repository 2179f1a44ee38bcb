"""A frozen network, and what it is shown, as the cache of its outputs knows them."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

BYTES_PER_NUMBER = 2  # float16


@dataclass(frozen=True, kw_only=True)
class View:
    """A change of each picture before the network sees it."""

    number: int
    settings: Mapping[str, Any]
    """All that the change follows from besides picture and image id, as JSON holds it."""
    change: Callable[
        [Float[Tensor, "images 3 side side"], Int[np.ndarray, "images"]],
        Float[Tensor, "images 3 new_side new_side"],
    ]

    @property
    def name(self) -> str:
        text = json.dumps(self.settings, sort_keys=True)
        return f"view{self.number}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """A frozen network as the cache knows it."""

    role: str
    """What its rows are: `tokens`, `latents` or `maps`."""
    identity: str
    """Name, weights hash, and how pictures are brought to it."""
    row_shape: tuple[int, ...]
    device: torch.device
    embed: Callable[[Tensor], Tensor]
    view: View | None = None
    """None: it sees the pictures as they are."""

    @property
    def name(self) -> str:
        """Folder in the cache; another network, and another view, has another one."""
        return "-".join([self.role, self.identity, *([self.view.name] if self.view else [])])

    def num_bytes(self, num_images: int) -> int:
        """On the disk, but for a header."""
        return BYTES_PER_NUMBER * math.prod(self.row_shape) * num_images

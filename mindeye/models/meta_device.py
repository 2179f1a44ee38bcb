"""Networks without values, and what fills them: no random start, no second copy in memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def on_meta(empty: Callable[[], Network]) -> Network:
    """A network of shapes without values."""
    with torch.device("meta"):
        return empty()


def filled(
    empty: Callable[[], Network], weights: Mapping[str, Tensor], path: Path, description: Path
) -> Network:
    """A frozen network in evaluation mode that holds these very tensors.

    Args:
        empty: makes the network; called on the meta device.
        path: where the weights are from, for what is said if they do not fit.
        description: the file that says what `empty` makes.

    Raises:
        ValueError: missing, unknown or misshapen weights.
    """
    network = on_meta(empty)
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit {description.name} beside it "
            f"({str(error).splitlines()[1].strip()}). Were the files of two runs mixed?"
        ) from error
    return network.eval().requires_grad_(False)

"""Copies from memory to a device that nothing waits for."""

import torch
from jaxtyping import Shaped
from torch import Tensor


def sent(values: Shaped[Tensor, "*shape"], device: torch.device) -> Shaped[Tensor, "*shape"]:
    """The values on `device`; a CUDA device reads them from pinned memory while work goes on.

    Torch keeps the pinned copy until the device has read it.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)

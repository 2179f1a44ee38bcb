"""Which parameters are decayed."""

from torch import nn


def decay_groups(decoder: nn.Module, weight_decay: float, ridge_decay: float | None) -> list[dict]:
    """Parameters by decay: weights of linear and convolution layers yes, all others no."""
    decayed = {
        id(module.weight)
        for module in decoder.modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in decoder.named_parameters():
        decay = weight_decay if id(parameter) in decayed else 0.0
        if decay and ridge_decay is not None and name.startswith("ridge."):
            decay = ridge_decay
        groups.setdefault(decay, []).append(parameter)
    return [{"params": members, "weight_decay": decay} for decay, members in groups.items()]

"""Which parameters are decayed."""

from torch import nn

from mindeye.quirks import Quirks


def decay_groups(
    decoder: nn.Module,
    weight_decay: float,
    ridge_decay: float | None = None,
    quirks: Quirks | None = None,
) -> list[dict]:
    """Parameters that learn, by decay: weights of linear and convolution layers yes, others no.

    As published (`decayed_norms`), whatever has no "bias" in its name is decayed, also gains and
    null tokens; `decayed_ridge_bias` decays those biases too.
    """
    quirks = (quirks or Quirks()).resolved()
    layers = {
        id(module.weight)
        for module in decoder.modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in decoder.named_parameters():
        if not parameter.requires_grad:
            continue
        is_decayed = "bias" not in name if quirks.decayed_norms else id(parameter) in layers
        of_ridge = name.startswith("ridge.")
        is_decayed |= bool(quirks.decayed_ridge_bias) and of_ridge
        decay = weight_decay if is_decayed else 0.0
        if decay and ridge_decay is not None and of_ridge:
            decay = ridge_decay
        groups.setdefault(decay, []).append(parameter)
    return [{"params": members, "weight_decay": decay} for decay, members in groups.items()]

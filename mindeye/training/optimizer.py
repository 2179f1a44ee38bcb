"""AdamW: which parameters are decayed, what its state is made of, when it updates."""

from functools import partial

import torch
from torch import Tensor, nn

from mindeye.models.token_head import WindowHead
from mindeye.quirks import Quirks
from mindeye.training.compute import ComputeConfig
from mindeye.training.experiment import ScheduleConfig
from mindeye.training.half_moments import HalfMomentAdamW


def new_optimizer(
    decoder: nn.Module, schedule: ScheduleConfig, compute: ComputeConfig, quirks: Quirks
) -> torch.optim.Optimizer:
    """AdamW of the parameters that learn.

    With `free_gradients` it updates during the backward pass, and `step` finds nothing to do.
    """
    groups = decay_groups(decoder, schedule.weight_decay, schedule.ridge_decay, quirks)
    if compute.optimizer_state == "int8":
        # Only here: an extra package, and slow to import.
        from bitsandbytes.optim import AdamW8bit

        optimizer = AdamW8bit(groups, lr=schedule.learning_rate)
    elif compute.optimizer_state == "bfloat16":
        optimizer = HalfMomentAdamW(groups, lr=schedule.learning_rate)
    else:
        optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, fused=True)
    if compute.free_gradients:
        update_in_backward(optimizer)
    return optimizer


def update_in_backward(optimizer: torch.optim.Optimizer) -> None:
    """Every parameter is updated when its gradient is whole, and the gradient freed.

    Every backward pass is a step, then: gradients are neither summed over batches nor clipped.
    """
    for number, group in enumerate(optimizer.param_groups):
        for parameter in group["params"]:
            parameter.register_post_accumulate_grad_hook(partial(_update_one, optimizer, number))


def _update_one(optimizer: torch.optim.Optimizer, number: int, parameter: Tensor) -> None:
    groups = optimizer.param_groups
    # The group's settings of this moment, such as the learning rate, for this parameter alone.
    optimizer.param_groups = [{**groups[number], "params": [parameter]}]
    try:
        optimizer.step()
    finally:
        optimizer.param_groups = groups
    parameter.grad = None


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
        if isinstance(module, nn.Linear | nn.Conv2d | WindowHead)
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

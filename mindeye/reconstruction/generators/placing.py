"""Puts a generator's networks where they run, as the user's card can hold them."""

import accelerate
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.nn import functional

from mindeye.reconstruction.generators.execution import GeneratorExecution


def torch_dtype(execution: GeneratorExecution) -> torch.dtype:
    """As torch names it."""
    return getattr(torch, execution.dtype)


def require_possible(execution: GeneratorExecution, device: torch.device | str) -> None:
    """Refuses what this device cannot do, before any weights are read.

    Raises:
        ValueError: a dtype without kernels, or nothing to offload from.
    """
    kind = torch.device(device).type
    if execution.offload != "none" and kind == "cpu":
        raise ValueError(
            "Offloading keeps networks on the CPU until an accelerator runs them, but the device "
            "is the CPU. Leave --offload out, or choose --device."
        )
    try:
        _try_kernels(torch_dtype(execution), device)
    except RuntimeError as error:
        raise ValueError(
            f"The device {device} cannot compute in {execution.dtype} "
            f"({str(error).splitlines()[0]}). Choose --generator-dtype float32."
        ) from error


def place(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    execution: GeneratorExecution,
    device: torch.device | str,
    *,
    slices_attention: bool = True,
) -> None:
    """Moves, slices, offloads and compiles both in place; weights have their dtype already.

    Args:
        slices_attention: not where an adapter sits in attention: slicing would take its place.
    """
    if execution.slicing != "none":
        if slices_attention:
            unet.set_attention_slice("auto")
        vae.enable_slicing()
    if execution.slicing == "tiles":
        vae.enable_tiling()
    if execution.offload == "none":
        unet.to(device)
        vae.to(device)
    elif execution.offload == "networks":
        _, waiting = accelerate.cpu_offload_with_hook(unet, device)
        # What runs before the VAE's decoder makes room for it.
        accelerate.cpu_offload_with_hook(vae, device, prev_module_hook=waiting)
    else:
        accelerate.cpu_offload(unet, device)
        accelerate.cpu_offload(vae, device)
    if execution.compile:
        unet.compile()


def _try_kernels(dtype: torch.dtype, device: torch.device | str) -> None:
    """The kinds of kernels that a UNet asks for, once and small."""
    picture = torch.ones(1, 4, 4, 4, dtype=dtype, device=device)
    kernel = torch.ones(4, 4, 3, 3, dtype=dtype, device=device)
    features = functional.group_norm(functional.conv2d(picture, kernel, padding=1), 2)
    tokens = functional.layer_norm(features.flatten(2), (16,))
    functional.scaled_dot_product_attention(tokens, tokens, tokens)

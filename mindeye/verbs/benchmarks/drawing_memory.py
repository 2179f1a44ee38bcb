"""How many bytes live at once while a generator draws: counted on tensors without values."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from mindeye.reconstruction.generators.empty_prompt import POOLED_WIDTH, PROMPT_TOKENS
from mindeye.verbs.benchmarks.random_in_memory import GeneratorPlan, generator_plan

# Fused attention is chosen for the CPU; for an accelerator only where there is one.
DEVICE = torch.device("cpu")


def num_live_bytes(
    name: str,
    *,
    pictures: int = 1,
    dtype: torch.dtype = torch.float16,
    token_shape: tuple[int, int] | None = None,
    small: bool = False,
) -> dict[str, int]:
    """Stage (encode, step, decode) -> the most bytes that live at once, weights among them.

    A step has guidance: the UNet reads each picture twice. What libraries take for themselves,
    such as CUDA's context and workspaces of convolutions, is not in it; of an IP-Adapter the
    weights are, and what it computes is not.

    Args:
        dtype: of the UNet, and of a VAE that can compute in it.
        small, token_shape: see `generator_plan`.
    """
    plan = generator_plan(name, token_shape, small=small)
    with FakeTensorMode(), torch.no_grad():
        unet, vae = plan.networks(dtype)
        rows, side, at_work = unet.config.sample_size, plan.side, vae.dtype

        def step() -> None:
            latents = torch.zeros(2 * pictures, unet.config.in_channels, rows, rows, dtype=dtype)
            unet(latents, torch.tensor(1), **_read(plan, 2 * pictures, dtype))

        def encode() -> None:
            vae.encode(torch.zeros(pictures, 3, side, side, dtype=at_work))

        def decode() -> None:
            shape = (pictures, vae.config.latent_channels, rows, rows)
            vae.decode(torch.zeros(shape, dtype=at_work))

        added = dtype.itemsize * plan.adapter_parameters(unet)
        calls = {"encode": encode, "step": step, "decode": decode}
        return {stage: added + _peak(call, (unet, vae)) for stage, call in calls.items()}


def weight_bytes(name: str, *, dtype: torch.dtype = torch.float16, small: bool = False) -> int:
    """Of UNet, VAE and adapter."""
    plan = generator_plan(name, small=small)
    with FakeTensorMode():
        unet, vae = plan.networks(dtype)
        held = sum(one.nbytes for network in (unet, vae) for one in network.parameters())
        return held + dtype.itemsize * plan.adapter_parameters(unet)


def _read(plan: GeneratorPlan, rows: int, dtype: torch.dtype) -> dict:
    """What the UNet reads beside latents and time."""
    tokens, width = plan.token_shape
    if plan.adapter is not None:
        tokens, width = PROMPT_TOKENS, plan.unet["cross_attention_dim"]
    read = {"encoder_hidden_states": torch.zeros(rows, tokens, width, dtype=dtype)}
    if plan.unet.get("addition_embed_type") == "text_time":
        pooled, sizes = (0, 4) if plan.adapter is None else (POOLED_WIDTH, 6)
        read["added_cond_kwargs"] = {
            "text_embeds": torch.zeros(rows, pooled, dtype=dtype),
            "time_ids": torch.zeros(rows, sizes, dtype=dtype),
        }
    return read


def _peak(call: Callable[[], object], networks: Sequence[nn.Module]) -> int:
    tracker = MemTracker()
    tracker.track_external(*networks)
    with tracker:
        call()
    return tracker.get_tracker_snapshot("peak")[DEVICE]["Total"]

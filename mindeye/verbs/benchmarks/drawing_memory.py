"""How many bytes live at once while a generator draws: counted on tensors without values."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.verbs.benchmarks.random_generators import UNET_FOLDERS, plans_of

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
    such as CUDA's context and workspaces of convolutions, is not in it.

    Args:
        small, token_shape: see `plans_of`.
    """
    plans = plans_of(name, token_shape, small=small)
    tokens, width = token_shape or facts_of(name).token_shape
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with FakeTensorMode(), torch.no_grad():
            unet = plans[UNET_FOLDERS[name]].made().eval()
            vae = plans["vae"].made().eval()
            rows = unet.config.sample_size
            side = rows * 2 ** (len(vae.config.block_out_channels) - 1)

            def step() -> None:
                latents = torch.zeros(2 * pictures, unet.config.in_channels, rows, rows)
                context = torch.zeros(2 * pictures, tokens, width)
                unet(latents, torch.tensor(1), encoder_hidden_states=context)

            def decode() -> None:
                vae.decode(torch.zeros(pictures, vae.config.latent_channels, rows, rows))

            calls = {
                "encode": lambda: vae.encode(torch.zeros(pictures, 3, side, side)),
                "step": step,
                "decode": decode,
            }
            return {stage: _peak(call, (unet, vae)) for stage, call in calls.items()}
    finally:
        torch.set_default_dtype(before)


def _peak(call: Callable[[], object], networks: Sequence[nn.Module]) -> int:
    tracker = MemTracker()
    tracker.track_external(*networks)
    with tracker:
        call()
    return tracker.get_tracker_snapshot("peak")[DEVICE]["Total"]

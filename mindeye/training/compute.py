"""How a training computes: precision, memory, compilation. What it computes is set elsewhere."""

import importlib.util
import os
from dataclasses import dataclass
from functools import partial

import torch
from accelerate.state import AcceleratorState
from torch.utils.checkpoint import checkpoint

from mindeye.models.decoder import Decoder
from mindeye.training.ranges import require

# Our names -> accelerate's.
PRECISIONS = {"float32": "no", "bfloat16": "bf16"}
# `optimizer_state` -> bytes a parameter of AdamW's two moments; in int8 with a scale for each block
# of 256.
MOMENT_BYTES = {"float32": 8.0, "bfloat16": 4.0, "int8": 2 + 2 * 4 / 256}
COMPILE_MODES = ("default", "reduce-overhead")


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    precision: str | None = None
    """`float32`, or `bfloat16`: products in bfloat16 by autocast, weights and losses in float32.
    As `accelerate launch --mixed_precision` says when left out, else float32."""
    optimizer_state: str = "float32"
    """Type of AdamW's two moments: `float32` (8 bytes a parameter), `bfloat16` (4 bytes) or `int8`
    (2 bytes, by bitsandbytes: `pip install 'mindeye[int8]'`; slow without a GPU)."""
    free_gradients: bool = False
    """Each parameter is updated as soon as its gradient is known, which is then freed: one
    gradient is held at a time, not all. The same numbers."""
    recompute_blocks: bool = False
    """What the prior's blocks and the contrastive head hold for the way back is computed again
    instead: about a third more time there, the same numbers."""
    compile: str | None = None
    """torch.compile of the prior's transformer: `default`, or `reduce-overhead` with CUDA graphs.
    Needs a C++ compiler and a minute at the start."""

    def __post_init__(self) -> None:
        for name, known in (
            ("precision", (None, *PRECISIONS)),
            ("optimizer_state", tuple(MOMENT_BYTES)),
            ("compile", (None, *COMPILE_MODES)),
        ):
            value = getattr(self, name)
            named = ", ".join(one for one in known if one)
            require(value in known, f"compute.{name}", value, f"one of {named}")
        if self.compile == "reduce-overhead" and self.free_gradients:
            raise ValueError(
                "`compute.compile` is reduce-overhead, whose CUDA graphs keep the memory of all "
                "gradients, so that `compute.free_gradients` would free none. Choose one of them."
            )


def require_possible(
    compute: ComputeConfig,
    device: torch.device,
    *,
    num_processes: int = 1,
    is_sharded: bool = False,
    in_turns: bool = False,
) -> None:
    """Refuses what this machine cannot do, before anything is written.

    Raises:
        ValueError: a package or a device is missing, or the options do not go together here.
    """
    if compute.optimizer_state == "int8" and not importlib.util.find_spec("bitsandbytes"):
        raise ValueError(
            "`compute.optimizer_state` is int8, which bitsandbytes computes, and that is not "
            "installed. Run `pip install 'mindeye[int8]'`, or choose bfloat16."
        )
    if compute.compile == "reduce-overhead" and device.type != "cuda":
        raise ValueError(
            f"`compute.compile` is reduce-overhead, but CUDA graphs do not run on {device.type}. "
            "Choose default, or null."
        )
    if compute.free_gradients and num_processes > 1:
        raise ValueError(
            f"`compute.free_gradients` updates before {num_processes} processes have shared their "
            "gradients. Leave it out, or train in one process."
        )
    if compute.free_gradients and in_turns:
        raise ValueError(
            "`compute.free_gradients` updates after every backward pass, but "
            "`schedule.micro_batch` makes several of them a step. Leave one of the two out."
        )
    if compute.optimizer_state != "float32" and is_sharded:
        raise ValueError(
            f"`compute.optimizer_state` is {compute.optimizer_state}, which updates whole "
            "parameters, but each process holds a part of them. Choose float32."
        )


def accelerate_precision(compute: ComputeConfig) -> str:
    """`mixed_precision` of the Accelerator; one with another from an earlier training is let go.

    Raises:
        ValueError: the training was launched with another precision, or with one that is not
            ours: float16 needs a scale of the loss, which no checkpoint keeps.
    """
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    wanted = launched if compute.precision is None else PRECISIONS[compute.precision]
    if launched not in ("no", wanted):
        raise ValueError(
            f"`compute.precision` is {compute.precision}, but accelerate was launched with "
            f"--mixed_precision {launched}. Leave one of the two out."
        )
    if wanted not in PRECISIONS.values():
        raise ValueError(
            f"accelerate was launched with --mixed_precision {launched}, which is not offered. "
            f"Choose {' or '.join(PRECISIONS.values())}."
        )
    # Shared by all Accelerators of a process: the next would take it over without a word.
    if AcceleratorState._shared_state.get("_mixed_precision", wanted) != wanted:
        AcceleratorState._reset_state()
    return wanted


def arrange(decoder: Decoder, compute: ComputeConfig) -> None:
    """Sets up recomputation and compilation; names and values of the weights stay."""
    transformer = decoder.prior.transformer
    if compute.recompute_blocks:
        for block in (*transformer.blocks, decoder.contrastive_head.layers):
            # No dropout in there: the random streams need not be kept.
            block.forward = partial(
                checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False
            )
    if compute.compile:
        transformer.compile(mode=compute.compile)

"""What token heads hold, compute and take at full size."""

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.meta_device import on_meta
from mindeye.models.token_head import new_token_head
from mindeye.report.text_tables import TextTable
from mindeye.training.compute import MOMENT_BYTES
from mindeye.training.plan import BYTES_PER_WEIGHT
from mindeye.verbs.benchmarks.other_process import told
from mindeye.verbs.benchmarks.token_heads import (
    HEADS,
    MINDEYE1_TOKENS,
    MINDEYE2_TOKENS,
    HeadConfig,
)

# Subject 1's nsdgeneral.
NUM_VOXELS = 15_724
COUNTED_TRIALS, TIMED_TRIALS = 32, 4


@dataclass(frozen=True, kw_only=True)
class FullSizeSystem:
    """A published decoder, but for its token head."""

    name: str
    decoder: DecoderConfig
    token_shape: tuple[int, int]
    latent_shape: tuple[int, int, int]

    def with_head(self, head: HeadConfig) -> Decoder:
        """Without memory for its weights."""
        return on_meta(
            lambda: Decoder(
                replace(self.decoder, token_head=head),
                num_voxels_of={1: NUM_VOXELS},
                token_shape=self.token_shape,
                latent_shape=self.latent_shape,
            )
        )


def full_size_systems(mindeye1: DecoderConfig, mindeye2: DecoderConfig) -> list[FullSizeSystem]:
    """Both with the tokens and latents that they were published with."""
    return [
        FullSizeSystem(
            name="MindEye1, 257 x 768 tokens",
            decoder=mindeye1,
            token_shape=MINDEYE1_TOKENS,
            latent_shape=(4, 64, 64),
        ),
        FullSizeSystem(
            name="MindEye2, 256 x 1664 tokens",
            decoder=mindeye2,
            token_shape=MINDEYE2_TOKENS,
            latent_shape=(4, 28, 28),
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class HeadCost:
    head: str
    head_parameters: int
    model_parameters: int
    floating_point_operations: int
    """Of the head, forward and backward, at a batch of 32."""

    @property
    def model_bytes(self) -> int:
        """Weights, gradients and AdamW's moments of the whole decoder."""
        return int(self.model_parameters * (2 * BYTES_PER_WEIGHT + MOMENT_BYTES["float32"]))


@dataclass(frozen=True, kw_only=True)
class HeadTime:
    width: int
    cpu_s: float
    """Median over rounds of the processor time of forward and backward, batch 4, float32."""
    peak_gb: float


def head_costs(system: FullSizeSystem) -> list[HeadCost]:
    """Counted on the meta device."""
    costs = []
    for name, head in HEADS.items():
        decoder = system.with_head(head)
        costs.append(
            HeadCost(
                head=name,
                head_parameters=_num_parameters(decoder.token_head),
                model_parameters=_num_parameters(decoder),
                floating_point_operations=_operations(
                    decoder.token_head, system.decoder.backbone.width
                ),
            )
        )
    return costs


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _operations(head: nn.Module, width: int) -> int:
    hidden = torch.zeros(COUNTED_TRIALS, width, device="meta", requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        head(hidden).sum().backward()
    return counter.get_total_flops()


def measure_head(name: str, token_shape: tuple[int, int], width: int, rounds: int) -> HeadTime:
    """Forward and backward of a head alone, to be called in a process of its own.

    The first pass, which only warms up, is left out; gradients are made anew, as in training.

    Raises:
        LookupError: no such head.
    """
    if name not in HEADS:
        raise LookupError(f"Unknown token head `{name}`. Choose one of {', '.join(HEADS)}.")
    torch.manual_seed(0)
    head = new_token_head(HEADS[name], width, *token_shape)
    hidden = torch.randn(TIMED_TRIALS, width, requires_grad=True)
    wanted = torch.randn(TIMED_TRIALS, *token_shape)
    times = []
    for _ in range(rounds + 1):
        began = time.process_time()
        head(hidden).backward(wanted)
        times.append(time.process_time() - began)
        head.zero_grad(set_to_none=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return HeadTime(width=width, cpu_s=median(times[1:]), peak_gb=peak)


def head_times(
    program: Path, width: int, rounds: int, progress: Callable[[int, int], None]
) -> dict[str, HeadTime]:
    """Every head in a process of its own, one after the other.

    Args:
        program: prints for `--measure HEAD --width WIDTH --rounds N` a `HeadTime` as JSON.
    """
    found = {}
    for number, name in enumerate(HEADS):
        options = ("--measure", name, "--width", str(width), "--rounds", str(rounds))
        found[name] = HeadTime(**told([str(program), *options]))
        progress(number + 1, len(HEADS))
    return found


def cost_table(system: FullSizeSystem, times: Mapping[str, HeadTime]) -> TextTable:
    """Heads as rows; with times, where they were measured."""
    costs = head_costs(system)
    header = ["head", "parameters", "whole decoder", "times fewer", "GB with AdamW", "GFLOP"]
    words = f"GFLOP: the head alone, forward and backward, batch {COUNTED_TRIALS}."
    rows = [
        [
            one.head,
            f"{one.head_parameters / 1e6:.1f} M",
            f"{one.model_parameters / 1e6:.1f} M",
            f"{costs[0].model_parameters / one.model_parameters:.2f}",
            f"{one.model_bytes / 1e9:.2f}",
            f"{one.floating_point_operations / 1e9:.1f}",
        ]
        for one in costs
    ]
    if times:
        header += ["CPU s", "peak GB"]
        width = next(iter(times.values())).width
        words += (
            f" CPU s and peak GB: a process of its own, width {width}, batch {TIMED_TRIALS}, "
            "float32, forward and backward, no optimizer."
        )
        for row in rows:
            row += [f"{times[row[0]].cpu_s:.3f}", f"{times[row[0]].peak_gb:.2f}"]
    return TextTable(title=system.name, words=words, header=header, rows=rows)

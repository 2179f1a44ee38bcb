"""`mindeye train --dry-run`: what a training will cost, for people and for scripts."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch

from mindeye.training.experiment import ExperimentConfig
from mindeye.training.hardware import Hardware, measured
from mindeye.training.plan import TrainingPlan
from mindeye.training.processes import started_accelerator


def hardware_of(options: argparse.Namespace, config: ExperimentConfig) -> Hardware:
    """The machine that is given, or the device that would train here.

    Raises:
        ValueError: one of its two numbers is missing, or not above 0.
    """
    given = (options.tflops, options.terabytes_per_s)
    if given == (None, None):
        accelerator = started_accelerator(config)
        in_half = accelerator.mixed_precision == "bf16"
        return measured(accelerator.device, torch.bfloat16 if in_half else torch.float32)
    if None in given:
        raise ValueError(
            "A machine has two numbers: give --tflops and --terabytes-per-s (of an H200 in "
            "bfloat16 about 790 and 4.3), or none of them to measure this machine."
        )
    return Hardware(
        flop_per_s=options.tflops * 1e12,
        bytes_per_s=options.terabytes_per_s * 1e12,
        origin="as given",
    )


def as_lines(plan: TrainingPlan, hardware: Hardware) -> Iterator[str]:
    """For the screen."""
    parts = {**plan.parameters_of, "all": plan.num_parameters}
    for name, count in parts.items():
        note = "" if name in plan.trained or name == "all" else ", not trained"
        yield f"{name:18}{count:>15,} parameters{note}"
    for name, count in plan.memory_of.items():
        note = " at most, in float32; buffers come on top" if name == "activations" else ""
        yield f"{name:18}{count / 1e9:>15.3f} GB of memory{note}"
    yield f"{'together':18}{sum(plan.memory_of.values()) / 1e9:>15.3f} GB"
    cost = plan.cost
    frozen = f", {cost.target_flop / 1e12:.3g} more of frozen networks" if cost.target_flop else ""
    yield (
        f"{cost.flop / 1e12:.3g} TFLOP a step of {plan.batch} trials, forward and backward{frozen}"
        f"; {plan.moved_bytes / 1e9:.3g} GB of weights, gradients and moments moved"
    )
    yield (
        f"disk: {plan.run_bytes / 1e9:.2f} GB for the run at most, "
        f"{plan.cache_bytes / 1e9:.2f} GB for targets that are not cached yet"
    )
    yield (
        f"about {plan.hours(hardware):.2g} hours, at least, at {hardware.flop_per_s / 1e12:.3g} "
        f"TFLOP/s and {hardware.bytes_per_s / 1e12:.3g} TB/s ({hardware.origin})"
    )
    images = ", ".join(f"subject {one}: {count}" for one, count in plan.images_of.items())
    yield f"{plan.num_steps:,} steps; training images {images}. Nothing was written."


def as_mapping(plan: TrainingPlan, hardware: Hardware) -> dict[str, Any]:
    """For scripts; bytes, FLOP and hours, never rounded."""
    return {
        "parameters": plan.parameters_of,
        "num_parameters": plan.num_parameters,
        "trained": sorted(plan.trained),
        "memory_bytes": plan.memory_of,
        "flop_per_step": plan.cost.flop,
        "target_flop_per_step": plan.cost.target_flop,
        "moved_bytes_per_step": plan.moved_bytes,
        "run_bytes": plan.run_bytes,
        "cache_bytes": plan.cache_bytes,
        "batch": plan.batch,
        "num_steps": plan.num_steps,
        "training_images": plan.images_of,
        "hardware": asdict(hardware),
        "hours": plan.hours(hardware),
    }

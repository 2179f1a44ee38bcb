"""How long a training step takes beside the published one written plainly, and in what memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mindeye.disk import require_free_space
from mindeye.files import write_json
from mindeye.verbs.benchmarks.metric_times import peak_mb
from mindeye.verbs.benchmarks.training_memory import require_memory
from mindeye.verbs.benchmarks.training_variants import SIZES, VARIANTS, Size
from mindeye.verbs.benchmarks.training_works import cached_tokens, new_step

CACHE, RESULTS = "tokens.pt", "results.json"
# Largest relative difference between losses that count as the same.
TOLERANCE = 1e-4
# The first steps make the optimizer's state and warm up; they are not timed.
WARMING_STEPS = 2
LOSSES = ("contrastive", "prior")
BARS = {"ours": 1.5, "compact-bfloat16": 3.5}
MEMORY_BAR = 0.6


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all variants have in common."""

    size: str = "full"
    width: int | None = None
    """Of the shared latent, where it is not the size's own."""
    batch: int = 4
    steps: int = 1
    """Timed steps of a round."""
    device: str = "cpu"

    @property
    def shapes(self) -> Size:
        shapes = SIZES[self.size]
        return shapes if self.width is None else replace(shapes, width=self.width)


def measure(setting: Setting, variant: str, work: Path) -> dict[str, Any]:
    """Times one variant once, to be called in a process of its own.

    Raises:
        ValueError: it would not fit into memory.
    """
    device = torch.device(setting.device)
    if device.type == "cpu":
        require_memory(setting.shapes, VARIANTS[variant], setting.batch)
        torch.set_num_threads(1)
    step = new_step(VARIANTS[variant], setting.shapes, setting.batch, device, work / CACHE)
    losses = [dict(step(number)) for number in range(WARMING_STEPS)]
    waiting = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    waiting()
    began, began_cpu = time.perf_counter(), time.process_time()
    losses += [dict(step(WARMING_STEPS + number)) for number in range(setting.steps)]
    waiting()
    gpu_mb = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    return {
        "variant": variant,
        "wall_s": (time.perf_counter() - began) / setting.steps,
        "cpu_s": (time.process_time() - began_cpu) / setting.steps,
        "peak_mb": peak_mb() if gpu_mb is None else gpu_mb,
        "losses": [{name: one[name] for name in LOSSES if name in one} for one in losses],
    }


def costliest(setting: Setting, variant: str, work: Path, count: int = 5) -> list[str]:
    """The operators, on a GPU the kernels, that take most of a step."""
    device = torch.device(setting.device)
    step = new_step(VARIANTS[variant], setting.shapes, setting.batch, device, work / CACHE)
    for number in range(WARMING_STEPS):
        step(number)
    on_gpu = device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if on_gpu else []
    with torch.profiler.profile(activities=kinds) as profile:
        step(WARMING_STEPS)
        if on_gpu:
            torch.cuda.synchronize()
    times = {
        one.key: one.self_device_time_total if on_gpu else one.self_cpu_time_total
        for one in profile.key_averages()
    }
    whole = sum(times.values())
    first = sorted(times, key=times.__getitem__, reverse=True)[:count]
    return [f"{times[name] / 1e3:10.1f} ms {times[name] / whole:6.1%}  {name}" for name in first]


def write_cache(setting: Setting, work: Path) -> None:
    """CLIP's tokens of all made-up pictures, for the variants that have a cache."""
    num_steps = WARMING_STEPS + setting.steps
    tokens = cached_tokens(setting.shapes, setting.batch, num_steps, torch.device(setting.device))
    torch.save(tokens, work / CACHE)


def training_times(
    setting: Setting, variants: Sequence[str], rounds: int, work: Path, program: Path
) -> Iterator[str]:
    """Lines for the terminal, a table after every round; results.json has what was measured.

    Rounds are interleaved: each variant once, one process at a time.

    Raises:
        ValueError: a variant ended with an error, or its losses are not those of the plain step.
    """
    shapes = setting.shapes
    held = 4 * setting.batch * (WARMING_STEPS + setting.steps)
    require_free_space(work, held * shapes.num_tokens * shapes.token_width, "CLIP's tokens")
    alone = _alone(setting, work, program)
    alone("--cache")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in variants:
            found[name].append(json.loads(alone("--variant", name).splitlines()[-1]))
        difference = largest_difference(found)
        about = {"setting": asdict(setting), "rounds": number + 1, "data": "made up"}
        write_json(work / RESULTS, {**about, "difference": difference, "found": found})
        yield f"After {number + 1} of {rounds} rounds, made-up data, batch {setting.batch}:"
        yield from table(found)
        if difference > TOLERANCE:
            raise ValueError(
                f"Losses that shall be the same differ by {difference:.1g} of their size, more "
                f"than {TOLERANCE}. Compare them in {work / RESULTS}."
            )
    yield f"Losses of variants with the same numbers differ by {difference:.1g} at most."


def _alone(setting: Setting, work: Path, program: Path) -> Callable[..., str]:
    given = {name: value for name, value in asdict(setting).items() if value is not None}
    options = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, str(program), "--work", str(work), *options]

    def run(*arguments: str) -> str:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"signal {-done.returncode}"]
            raise ValueError(f"{' '.join(arguments)} ended with an error: {said[0]}")
        return done.stdout

    return run


def largest_difference(found: dict[str, list[dict[str, Any]]]) -> float:
    """Of losses that shall be the same, relative to the first variant's that has them."""
    same = [one for name in found if VARIANTS[name].same_numbers for one in found[name]]
    return max(
        (
            abs(value - first) / abs(first)
            for one in same
            for losses, plain in zip(one["losses"], same[0]["losses"], strict=True)
            for value, first in ((losses[name], plain[name]) for name in LOSSES)
        ),
        default=0.0,
    )


def table(found: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Medians over rounds; ratios to the plain step where it was measured."""

    def middle(name: str, value: str) -> float:
        return median(one[value] for one in found[name])

    has_plain = "plain" in found
    yield f"{'variant':18}{'CPU s':>9}{'wall s':>9}{'faster':>8}{'peak GB':>9}{'share':>7}  what"
    for name in found:
        seconds, peak = middle(name, "cpu_s"), middle(name, "peak_mb")
        faster = middle("plain", "cpu_s") / seconds if has_plain else float("nan")
        share = peak / middle("plain", "peak_mb") if has_plain else float("nan")
        bar = BARS.get(name)
        missed = has_plain and bar is not None and faster < bar
        notes = VARIANTS[name].what + (f" (bar {bar})" if bar and has_plain else "")
        yield (
            f"{name:18}{seconds:9.3f}{middle(name, 'wall_s'):9.3f}{faster:8.2f}"
            f"{peak / 1024:9.2f}{share:7.2f}  {notes}{' - BAR MISSED' if missed else ''}"
        )
    if has_plain:
        least = min(middle(name, "peak_mb") for name in found) / middle("plain", "peak_mb")
        yield f"Least memory: {least:.2f} of the plain step's (bar {MEMORY_BAR})."

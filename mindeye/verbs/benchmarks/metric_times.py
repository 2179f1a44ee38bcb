"""How long metrics take beside the published loops, on one core and on two."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from mindeye.verbs.benchmarks.metric_works import WORKS

PUBLISHED, OURS, BOTH_CORES = "published", "ours", "ours on two cores"
WARMING_IMAGES = 2


@dataclass(frozen=True, kw_only=True)
class MetricTime:
    """One metric, each way in processes of its own."""

    metric: str
    published_s: float
    """Processor time on one core: median over rounds."""
    seconds: float
    one_core_wall_s: float
    two_core_wall_s: float
    difference: float
    """The largest between the numbers of both."""
    bar: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """How many times faster on one core."""
        return self.published_s / self.seconds

    @property
    def both_cores(self) -> float:
        """How many times faster again on two."""
        return self.one_core_wall_s / self.two_core_wall_s

    @property
    def passes(self) -> bool:
        return self.ratio >= self.bar and self.difference <= self.tolerance

    def describe(self) -> str:
        """A line for the terminal."""
        return (
            f"{self.metric}: {self.ratio:.2f} times the published loop on one core (bar {self.bar};"
            f" {self.seconds:.3f} against {self.published_s:.3f} s), {self.both_cores:.2f} times "
            f"that on two; largest difference {self.difference:.1g}"
        )


def measure(work: Path, metric: str, way: str) -> dict[str, float]:
    """Times one way once, to be called in a process of its own; keeps its numbers in `work`.

    A few images go before, so that libraries are loaded; memory is as fresh as in an evaluation.

    Raises:
        LookupError: unknown metric or way.
    """
    if metric not in WORKS or way not in (PUBLISHED, OURS, BOTH_CORES):
        raise LookupError(
            f"Unknown work `{metric}`, `{way}`. Choose a metric of {', '.join(WORKS)}."
        )
    num_cores = 2 if way == BOTH_CORES else 1
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:num_cores])
    torch.set_num_threads(num_cores)
    one = WORKS[metric]
    compute = one.published if way == PUBLISHED else one.ours
    compute(*one.inputs(WARMING_IMAGES))
    inputs = one.inputs()
    began, began_cpu = time.perf_counter(), time.process_time()
    values = compute(*inputs)
    found = {
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - began_cpu,
        "peak_mb": peak_mb(),
    }
    np.save(work / f"{way}.npy", values, allow_pickle=False)
    return found


def metric_times(
    work: Path, program: Path, rounds: int, progress: Callable[[int, int], None]
) -> list[MetricTime]:
    """Medians of interleaved rounds.

    Args:
        program: prints for `--work WORK --metric METRIC --way WAY` what `measure` gives, as JSON.
    """
    work.mkdir(parents=True)
    return [
        _time_of(metric, work, program, rounds, lambda done, n=n: progress(done + n, len(WORKS)))
        for n, metric in enumerate(WORKS)
    ]


def _time_of(
    metric: str, work: Path, program: Path, rounds: int, progress: Callable[[int], None]
) -> MetricTime:
    found: dict[str, list[dict[str, float]]] = {PUBLISHED: [], OURS: [], BOTH_CORES: []}
    for _ in range(rounds):
        for way, times in found.items():
            times.append(run_alone(program, work, metric, way))
    progress(1)

    def middle(way: str, name: str) -> float:
        return median(one[name] for one in found[way])

    numbers = {way: np.load(work / f"{way}.npy", allow_pickle=False) for way in found}
    return MetricTime(
        metric=metric,
        published_s=middle(PUBLISHED, "cpu_s"),
        seconds=middle(OURS, "cpu_s"),
        one_core_wall_s=middle(OURS, "wall_s"),
        two_core_wall_s=middle(BOTH_CORES, "wall_s"),
        difference=max(
            float(np.abs(numbers[way] - numbers[PUBLISHED]).max()) for way in (OURS, BOTH_CORES)
        ),
        bar=WORKS[metric].bar,
        tolerance=WORKS[metric].tolerance,
    )


def run_alone(program: Path, work: Path, metric: str, way: str) -> dict[str, float]:
    """What one process measures."""
    command = [sys.executable, str(program), "--work", str(work), "--metric", metric, "--way", way]
    # NumPy's and torch's threads are as many as the cores that they are measured on.
    environment = {**os.environ, "OMP_NUM_THREADS": "2" if way == BOTH_CORES else "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout)


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

"""Which operators a training step spends its time in, and whether it waits for data."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from mindeye.data.batches import PreparedSubject
from mindeye.files import atomic_path, write_text
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import length_of
from mindeye.training.speed import WAIT_EVENT, peak_memory_gb
from mindeye.training.state import TrainingState
from mindeye.training.watching import Watcher

# Steps before the measured ones: caches fill, kernels are chosen and compiled.
WARM_UP = 3
COSTLIEST = 15


class ProfileDone(Exception):  # noqa: N818 - no error: it ends a training that was only looked at
    """Raised when all steps were measured."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    name: str
    num_calls: int
    """In one step."""
    time_ms: float
    """In one step, without the operators that it calls."""
    share: float
    """Of all operators' times."""


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """What a profile found."""

    device: str
    num_steps: int
    step_s: float
    images_per_s: float
    waiting: float
    """Share of the time in which steps waited for their batches."""
    memory_gb: dict[str, float]
    operators: Sequence[Operator]
    """Costliest first."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        memory = ", ".join(f"{name} {value:.2f} GB" for name, value in self.memory_gb.items())
        return (
            f"{self.num_steps} steps on {self.device}, after {WARM_UP} to warm up",
            f"{1000 * self.step_s:.1f} ms a step, {self.images_per_s:,.0f} images/s",
            f"waiting for data {100 * self.waiting:.1f} % of the time, "
            f"computing {100 * (1 - self.waiting):.1f} %",
            f"peak memory: {memory}",
            f"{'operator, costliest first':52}{'calls a step':>14}{'ms a step':>12}{'share':>9}",
            *(
                f"{one.name[:51]:52}{one.num_calls:>14,}{one.time_ms:>12.2f}{one.share:>9.1%}"
                for one in self.operators
            ),
        )


class StepProfile(Watcher):
    """Measures some steps into RUN/profile, then raises `ProfileDone`.

    The steps are those of the training, but they count for nothing unless a checkpoint fell due.
    Of several processes the main one is measured, and all end after the same step.
    """

    in_every_process = True

    def __init__(self, num_steps: int) -> None:
        if num_steps < 1:
            raise ValueError(f"A profile of {num_steps} steps asked for. Choose 1 or more.")
        self.num_steps = num_steps
        self.found: StepTimes | None = None
        """In the main process, when all steps were measured."""

    def asks(self, config: ExperimentConfig, prepared: Sequence[PreparedSubject]) -> None:
        """Counts all steps.

        Raises:
            ValueError: the training has too few.
        """
        images = {one.subject: one.manifest["splits"]["train"]["num_images"] for one in prepared}
        self._require(length_of(config.schedule, images).num_steps)

    def begins(self, state: TrainingState, first: int) -> None:
        """Starts to measure.

        Raises:
            ValueError: too few steps are left.
        """
        self._require(state.length.num_steps - first)
        self.state, self.num_done = state, 0
        self.is_measured = state.accelerator.is_main_process
        if not self.is_measured:
            return
        self.device = state.accelerator.device
        activities = [ProfilerActivity.CPU]
        if self.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        plan = schedule(wait=0, warmup=WARM_UP, active=self.num_steps, repeat=1)
        self.profiler = profile(activities=activities, schedule=plan)
        self.profiler.start()

    def stepped(self, step: int) -> None:
        """Counts a step; the last of them ends it all."""
        self.num_done += 1
        is_over = self.num_done == WARM_UP + self.num_steps
        if self.is_measured:
            self._measure(is_over)
        if is_over:
            raise ProfileDone

    def _measure(self, is_over: bool) -> None:
        if is_over:
            self._synchronize()
            self.passed_s = time.perf_counter() - self.began_at
            self.profiler.stop()
            self._save()
            return
        self.profiler.step()
        if self.num_done == WARM_UP:
            self._synchronize()
            self.began_at = time.perf_counter()

    def _require(self, left: int) -> None:
        if left < WARM_UP + self.num_steps:
            raise ValueError(
                f"{left} steps are left of this training, but a profile of {self.num_steps} takes "
                f"{WARM_UP} more to warm up. Choose fewer with --profile, or a longer training."
            )

    def _synchronize(self) -> None:
        """Waits for what a GPU still computes of the steps so far."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _save(self) -> None:
        folder = self.state.run.path / "profile"
        with atomic_path(folder / "trace.json") as temporary:
            self.profiler.export_chrome_trace(str(temporary))
        self.found = self._found()
        write_text(folder / "profile.txt", "\n".join(self.found.lines) + "\n")

    def _found(self) -> StepTimes:
        events = list(self.profiler.key_averages())
        waited_s = sum(one.cpu_time_total for one in events if one.key == WAIT_EVENT) / 1e6
        on_gpu = self.device.type == "cuda"
        # The profiler's own marks and ours enclose operators; they are none.
        times = {
            one.key: (one.count, one.self_device_time_total if on_gpu else one.self_cpu_time_total)
            for one in events
            if one.key != WAIT_EVENT and not one.key.startswith("ProfilerStep")
        }
        total = sum(microseconds for _, microseconds in times.values()) or 1
        costliest = sorted(times.items(), key=lambda one: -one[1][1])[:COSTLIEST]
        return StepTimes(
            device=str(self.device),
            num_steps=self.num_steps,
            step_s=self.passed_s / self.num_steps,
            images_per_s=self.num_steps * self.state.config.schedule.batch / self.passed_s,
            waiting=min(1.0, waited_s / self.passed_s),
            memory_gb=peak_memory_gb(self.device),
            operators=[
                Operator(
                    name=name,
                    num_calls=round(count / self.num_steps),
                    time_ms=microseconds / 1000 / self.num_steps,
                    share=microseconds / total,
                )
                for name, (count, microseconds) in costliest
            ],
        )

"""Those who look on while a training runs: a bar, trackers, sample pictures, a profile."""

from collections.abc import Iterator, Mapping, Sequence

import torch

from mindeye.data.batches import PreparedSubject
from mindeye.training.choosing import WeightsChoice
from mindeye.training.drawn_step import StepBatch
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.feeding import fed
from mindeye.training.speed import Speed, Stopwatch
from mindeye.training.state import TrainingState

SPEED_LOG = "speed.jsonl"


class Watcher:
    """Looks on and changes nothing: weights and log are the same with it and without."""

    in_every_process = False
    """Whether it looks on in each process of a training, or in the main one alone."""

    def asks(self, config: ExperimentConfig, prepared: Sequence[PreparedSubject]) -> None:
        """Before anything is written: the place to refuse what this training cannot show."""

    def begins(self, state: TrainingState, first: int) -> None:
        """Before step `first`."""

    def stepped(self, step: int) -> None:
        """After a step; nothing that it computed is asked for, so that a GPU need not wait."""

    def logged(self, line: Mapping[str, float], speed: Speed) -> None:
        """After a line of the log was written."""

    def epoch_ended(self, epoch: int, step: int, *, is_last: bool) -> None:
        """After the last step of an epoch, with the weights that the run would keep; the first
        epoch is 1. The last one is the schedule's, or that in which patience ran out."""

    def ends(self) -> None:
        """After the last step, and after an error or Ctrl-C."""


class Audience:
    """All watchers of a training that look on in this process; keeps the log of speeds."""

    def __init__(self, state: TrainingState, watchers: Sequence[Watcher]) -> None:
        self.state = state
        is_main = state.accelerator.is_main_process
        self.watchers = tuple(one for one in watchers if is_main or one.in_every_process)
        self.begun: list[Watcher] = []
        self.stopwatch = Stopwatch(state.config.schedule.batch, state.accelerator.device)

    def __enter__(self) -> "Audience":
        return self

    def __exit__(self, *error: object) -> None:
        for watcher in self.begun:
            watcher.ends()

    def watched(self, first: int) -> Iterator[tuple[int, StepBatch, torch.Generator]]:
        """The batches from step `first` on, see `fed`."""
        for watcher in self.watchers:
            self.begun.append(watcher)
            with torch.random.fork_rng():
                watcher.begins(self.state, first)
        self.stopwatch.restart()
        yield from self.stopwatch.timed(fed(self.state, first))

    def logged(self, line: Mapping[str, float], speed: Speed) -> None:
        """Speeds have a file of their own: the log is the same at each repetition."""
        self.state.run.append_log({"step": line["step"], **speed.line}, SPEED_LOG)
        for watcher in self.watchers:
            watcher.logged(line, speed)
        self.stopwatch.restart()

    def after(self, step: int, choice: WeightsChoice, *, is_last: bool) -> None:
        """To be called when a step is done and logged; after the last one, nothing follows."""
        for watcher in self.watchers:
            watcher.stepped(step)
        epoch, rest = divmod(step + 1, self.state.length.steps_per_epoch)
        if rest:
            return
        for watcher in self.watchers:
            # What a watcher draws from torch's global stream is not missed by the training.
            with torch.random.fork_rng(), choice.shown():
                watcher.epoch_ended(epoch, step, is_last=is_last)
        self.stopwatch.restart()

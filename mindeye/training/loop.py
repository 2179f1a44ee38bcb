"""The training loop: deterministic by step, resumable after any kill."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.models.prior import DiffusionPrior
from mindeye.models.saved import new_decoder
from mindeye.run import RunFolder
from mindeye.training.beginning import Opened, begin, describe, opened
from mindeye.training.checkpoints import require_finite, resume
from mindeye.training.choosing import WeightsChoice
from mindeye.training.compute import arrange
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.forward import StepForward
from mindeye.training.kept_subjects import kept_subjects
from mindeye.training.loss_watch import LossWatch
from mindeye.training.optimizer import new_optimizer
from mindeye.training.processes import (
    agree_on,
    ending_together,
    main_first,
    started_accelerator,
    together,
)
from mindeye.training.provenance import note_processes
from mindeye.training.ridge_start import begun_ridges
from mindeye.training.savings import out_of_memory, savings_of
from mindeye.training.schedule import one_cycle
from mindeye.training.segments import begin_segment
from mindeye.training.sharded import in_one_piece
from mindeye.training.starting import train_only
from mindeye.training.state import TrainingState
from mindeye.training.step import one_step
from mindeye.training.stopping import ending_tidily
from mindeye.training.subjects import Material, open_subject
from mindeye.training.survival import kept_alive
from mindeye.training.token_statistics import fit_prior
from mindeye.training.validation import validation
from mindeye.training.watching import Audience, Watcher

# Steps between two lines of the log; every epoch's end is logged besides.
LOG_EVERY = 10

Progress = Callable[[int, int, Mapping[str, float]], None]


@ending_tidily()
def train(
    config: ExperimentConfig,
    run_path: Path,
    *,
    progress: Progress | None = None,
    embed_progress: Callable[[int, int], None] | None = None,
    watchers: Sequence[Watcher] = (),
    accept_changes: bool = False,
) -> RunFolder:
    """Trains a decoder into `run_path`; called again, it goes on or returns at once.

    The same configuration gives the same weights on the same machine, interrupted or not, watched
    or not.

    Args:
        accept_changes: see `RunFolder.begin`.

    Raises:
        StoppedError: SIGTERM or Ctrl-C; in the midst of the steps, after a checkpoint.
        ValueError: the folder holds another run, the configuration does not fit the data, or a
            shard is not the one that was written (SHA-256).
        FloatingPointError: a loss is not finite; step and losses are named.
        MemoryError: the device is full; options are named with what they save.
    """
    with ending_together():
        accelerator = started_accelerator(config)
        run = RunFolder(path=run_path)
        found = together(lambda: opened(config, run, accelerator))
        for watcher in watchers:
            watcher.asks(config, found.prepared)
        main_first(accelerator, lambda: begin(config, run, accelerator, found, accept_changes))
        if run.is_finished:
            # A kill may have come between the final weights and this.
            main_first(accelerator, run.tidy)
        else:
            _train(config, run, accelerator, found, progress, embed_progress, watchers)
        return run


def _train(
    config: ExperimentConfig,
    run: RunFolder,
    accelerator: Accelerator,
    found: Opened,
    progress: Progress | None,
    embed_progress: Callable[[int, int], None] | None,
    watchers: Sequence[Watcher],
) -> None:
    networks, prepared = found.networks, found.prepared
    subjects = main_first(
        accelerator,
        lambda: {one.subject: open_subject(one, networks, embed_progress) for one in prepared},
    )
    material = Material(subjects=subjects, networks=networks)
    main_first(accelerator, lambda: describe(config, run, accelerator, material))
    ridges = main_first(accelerator, lambda: begun_ridges(config, run, material, found.start))
    decoder = together(lambda: begun_decoder(config, run, material, {**found.start, **ridges}))
    arrange(decoder, config.compute)
    optimizer = new_optimizer(decoder, config.schedule, config.compute, config.quirks)
    wrapped, optimizer = accelerator.prepare(StepForward(decoder, networks.vae), optimizer)
    state = TrainingState(
        config=config,
        run=run,
        accelerator=accelerator,
        wrapped=wrapped,
        optimizer=optimizer,
        material=material,
        watch=LossWatch.on(accelerator.device),
    )
    try:
        with Audience(state, watchers) as audience:
            progress = progress if accelerator.is_main_process else None
            weights = run_steps(state, progress, audience)
            require_finite({"weights": weights}, state.length.num_steps)
            # Before the watchers end: a tracker may wait for its network.
            main_first(accelerator, lambda: accelerator.is_main_process and run.finish(weights))
    except torch.OutOfMemoryError as error:
        savings = savings_of(state.decoder, config.compute)
        raise out_of_memory(savings, config.compute, config.schedule.batch) from error


def begun_decoder(
    config: ExperimentConfig,
    run: RunFolder,
    material: Material,
    start: Mapping[str, Tensor],
) -> Decoder:
    """The decoder before the first step, of the architecture that the run folder holds."""
    torch.manual_seed(config.seed)
    subjects = material.subjects
    decoder = new_decoder(run.path)
    if isinstance(decoder.prior, DiffusionPrior):
        fit_prior(decoder.prior, subjects.values())
    decoder.load_state_dict(start, strict=False)
    train_only(decoder, config.parts, kept_subjects(config, subjects))
    return decoder


def run_steps(
    state: TrainingState, progress: Progress | None, audience: Audience
) -> dict[str, Tensor | None]:
    """All steps from the last checkpoint on; gives the weights that are kept."""
    config, length = state.config, state.length
    schedule, by_epoch = config.schedule, bool(config.quirks.resolved().phases_by_epoch)
    choice = WeightsChoice(state)
    first = together(lambda: resume(state, choice))
    agree_on(first, "step to begin with")
    if state.accelerator.is_main_process:
        note_processes(state.run, first, state.accelerator.num_processes)
        begin_segment(state, first)
    step = first - 1
    with kept_alive(state, choice, first) as keeper:
        for step, batch, generator in audience.watched(first):
            rate = one_cycle(step, length.num_steps, schedule.learning_rate, schedule.warmup)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            phase = length.phase(step, config.losses, by_epoch=by_epoch)
            one_step(state, batch, step, phase, generator)
            choice.updated()
            record(state, step, rate, audience, choice)
            if progress:
                progress(step + 1, length.num_steps, state.watch.latest)
            ends_early = choice.ends(step)
            is_last = ends_early or step + 1 == length.num_steps
            audience.after(step, choice, is_last=is_last)
            if ends_early:
                break
            keeper.after(step)
    return choice.final_weights(step)


def record(
    state: TrainingState, step: int, rate: float, audience: Audience, choice: WeightsChoice
) -> None:
    """Writes a line of the log, where one is due; with the validation at the end of an epoch."""
    ends_epoch = (step + 1) % state.length.steps_per_epoch == 0
    if not (ends_epoch or step % LOG_EVERY == 0):
        return
    line = {"step": step, "learning_rate": rate, **state.watch.fetch()}
    speed = audience.stopwatch.speed()
    if ends_epoch and (state.is_sharded or state.accelerator.is_main_process):
        with choice.shown():
            with in_one_piece(state.wrapped):
                line |= validation(state.config, state.decoder, state.material, step)
            line |= choice.judged(step, line)
    if state.accelerator.is_main_process:
        state.run.append_log(line)
        audience.logged(line, speed)

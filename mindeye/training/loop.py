"""The training loop: deterministic by step, resumable after any kill."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.models.prior import DiffusionPrior
from mindeye.models.saved import new_decoder, save_architecture
from mindeye.run import RunFolder
from mindeye.training.checkpoints import CheckpointKeeper, resume
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.forward import StepForward
from mindeye.training.kept_subjects import keep_bundles, kept_subjects, voxels_of
from mindeye.training.networks import open_networks
from mindeye.training.optimizer import decay_groups
from mindeye.training.plan import blank_decoder, prepared_subjects
from mindeye.training.provenance import provenance_of
from mindeye.training.schedule import one_cycle
from mindeye.training.starting import checked_start, train_only
from mindeye.training.state import TrainingState
from mindeye.training.step import one_step
from mindeye.training.subjects import Material, open_subject
from mindeye.training.validation import validation
from mindeye.training.watching import Audience, Watcher

# Steps between two lines of the log; every epoch's end is logged besides.
LOG_EVERY = 10

Progress = Callable[[int, int, Mapping[str, float]], None]


def train(
    config: ExperimentConfig,
    run_path: Path,
    *,
    progress: Progress | None = None,
    embed_progress: Callable[[int, int], None] | None = None,
    watchers: Sequence[Watcher] = (),
) -> RunFolder:
    """Trains a decoder into `run_path`; called again, it goes on or returns at once.

    The same configuration gives the same weights on the same machine, interrupted or not, watched
    or not.

    Raises:
        ValueError: the folder holds another run, the configuration does not fit the data, or a
            shard is not the one that was written (SHA-256).
        FloatingPointError: a loss is not finite; step and losses are named.
    """
    accelerator = Accelerator(step_scheduler_with_optimizer=False)
    if accelerator.num_processes > 1:
        raise ValueError(
            f"{accelerator.num_processes} processes were started, but training runs in one for "
            "now. Use `accelerate launch --num_processes 1`, on a GPU where there is one."
        )
    prepared = prepared_subjects(config)
    networks = open_networks(config, accelerator.device)
    # Before anything is written.
    blank = blank_decoder(config, prepared, networks)
    start = checked_start(blank, config, networks, prepared)
    run = RunFolder(path=run_path)
    if not run.is_finished:
        for one in prepared:
            one.verify(("train", "validation"))
    run.begin(config, provenance_of(config, prepared, networks))
    if run.is_finished:
        return run
    material = Material(
        subjects={one.subject: open_subject(one, networks, embed_progress) for one in prepared},
        networks=networks,
    )
    for one in prepared:
        bundle = run.path / "bundle" / f"subj{one.subject:02d}"
        if not bundle.exists():
            one.bundle.save(bundle)
    keep_bundles(config, run, kept_subjects(config, material.subjects))
    decoder = begun_decoder(config, run, material, start)
    schedule = config.schedule
    optimizer = torch.optim.AdamW(
        decay_groups(decoder, schedule.weight_decay, schedule.ridge_decay, config.quirks),
        lr=schedule.learning_rate,
        fused=True,
    )
    wrapped, optimizer = accelerator.prepare(StepForward(decoder, networks.vae), optimizer)
    state = TrainingState(
        config=config,
        run=run,
        accelerator=accelerator,
        wrapped=wrapped,
        optimizer=optimizer,
        material=material,
    )
    with Audience(state, watchers) as audience:
        run_steps(state, progress, audience)
    if accelerator.is_main_process:
        run.finish(state.decoder.state_dict())
    accelerator.wait_for_everyone()
    return run


def begun_decoder(
    config: ExperimentConfig,
    run: RunFolder,
    material: Material,
    start: Mapping[str, Tensor],
) -> Decoder:
    """The decoder before the first step; the run folder holds its architecture."""
    torch.manual_seed(config.seed)
    subjects, networks = material.subjects, material.networks
    save_architecture(
        run.path,
        config.network,
        num_voxels_of=voxels_of(config, [one.prepared for one in subjects.values()]),
        token_shape=networks.clip.token_shape,
        latent_shape=networks.vae.latent_shape,
    )
    decoder = new_decoder(run.path)
    if isinstance(decoder.prior, DiffusionPrior):
        tokens = [one.targets.tokens(one.train.image_ids) for one in subjects.values()]
        decoder.prior.fit(torch.cat(tokens))
    decoder.load_state_dict(start, strict=False)
    train_only(decoder, config.parts, kept_subjects(config, subjects))
    return decoder


def run_steps(state: TrainingState, progress: Progress | None, audience: Audience) -> None:
    """All steps from the last checkpoint on."""
    config, length = state.config, state.length
    schedule, by_epoch = config.schedule, bool(config.quirks.resolved().phases_by_epoch)
    first = resume(state)
    keeper = CheckpointKeeper(state)
    for step, batch, generator in audience.watched(first):
        rate = one_cycle(step, length.num_steps, schedule.learning_rate, schedule.warmup)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        phase = length.phase(step, config.losses, by_epoch=by_epoch)
        values = one_step(state, batch, step, phase, generator)
        record(state, step, rate, values, audience)
        if progress:
            progress(step + 1, length.num_steps, values)
        audience.after(step)
        keeper.after(step)


def record(
    state: TrainingState, step: int, rate: float, values: Mapping[str, float], audience: Audience
) -> None:
    """Writes a line of the log, where one is due; with the validation at the end of an epoch."""
    ends_epoch = (step + 1) % state.length.steps_per_epoch == 0
    if not (state.accelerator.is_main_process and (ends_epoch or step % LOG_EVERY == 0)):
        return
    speed = audience.stopwatch.speed()
    line = {"step": step, "learning_rate": rate, **values}
    if ends_epoch:
        line |= validation(state.config, state.decoder, state.material, step)
    state.run.append_log(line)
    audience.logged(line, speed)

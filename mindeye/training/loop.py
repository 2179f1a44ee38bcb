"""The training loop: deterministic by step, resumable after any kill."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mindeye.config import to_mapping
from mindeye.data.batches import PreparedSubject
from mindeye.models.decoder import Decoder
from mindeye.models.prior import DiffusionPrior
from mindeye.models.saved import new_decoder, save_architecture
from mindeye.run import RunFolder
from mindeye.training.ahead import one_ahead
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.length import length_of
from mindeye.training.networks import FrozenNetworks, open_networks
from mindeye.training.objective import StepBatch, step_losses
from mindeye.training.optimizer import decay_groups
from mindeye.training.order import BatchRows, derived_seed
from mindeye.training.plan import blank_decoder, prepared_subjects
from mindeye.training.schedule import Phase, one_cycle
from mindeye.training.starting import (
    checked_start,
    origin_of,
    start_hash,
    train_only,
    training_mode,
)
from mindeye.training.step_batch import step_batch
from mindeye.training.subjects import Material, open_subject
from mindeye.training.validation import validation

# Steps between two lines of the log; every epoch's end is logged besides.
LOG_EVERY = 10

Progress = Callable[[int, int, Mapping[str, float]], None]


def train(
    config: ExperimentConfig,
    run_path: Path,
    *,
    progress: Progress | None = None,
    embed_progress: Callable[[int, int], None] | None = None,
) -> RunFolder:
    """Trains a decoder into `run_path`; called again, it goes on or returns at once.

    The same configuration gives the same weights on the same machine, interrupted or not.

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
    run.begin(config, _provenance(config, prepared, networks))
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
    decoder = begun_decoder(config, run, material, start)
    schedule = config.schedule
    optimizer = torch.optim.AdamW(
        decay_groups(decoder, schedule.weight_decay, schedule.ridge_decay, config.quirks),
        lr=schedule.learning_rate,
        fused=True,
    )
    decoder, optimizer = accelerator.prepare(decoder, optimizer)
    run_steps(config, run, accelerator, decoder, optimizer, material, progress)
    if accelerator.is_main_process:
        run.finish(accelerator.unwrap_model(decoder).state_dict())
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
        num_voxels_of={one: subjects[one].train.num_voxels for one in subjects},
        token_shape=networks.clip.token_shape,
        latent_shape=networks.vae.latent_shape,
    )
    decoder = new_decoder(run.path)
    if isinstance(decoder.prior, DiffusionPrior):
        tokens = [one.targets.tokens(one.train.image_ids) for one in subjects.values()]
        decoder.prior.fit(torch.cat(tokens))
    decoder.load_state_dict(start, strict=False)
    train_only(decoder, config.parts)
    return decoder


def run_steps(
    config: ExperimentConfig,
    run: RunFolder,
    accelerator: Accelerator,
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    material: Material,
    progress: Progress | None,
) -> None:
    """All steps from the last checkpoint on."""
    schedule, by_epoch = config.schedule, bool(config.quirks.resolved().phases_by_epoch)
    length = length_of(schedule, material.num_images_of)
    state = run.load_checkpoint()
    if state:
        accelerator.unwrap_model(decoder).load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
    saved_at = time.monotonic()
    rows = length.batches(config.seed, first=state["step"] if state else 0)
    # Betas and targets of the next step are read while this one is computed.
    for step, batch, generator in one_ahead(_fed(config, material, rows, accelerator.device)):
        rate = one_cycle(step, length.num_steps, schedule.learning_rate, schedule.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        phase = length.phase(step, config.losses, by_epoch=by_epoch)
        values = one_step(config, accelerator, decoder, optimizer, batch, step, phase, generator)
        ends_epoch = (step + 1) % length.steps_per_epoch == 0
        if accelerator.is_main_process and (ends_epoch or step % LOG_EVERY == 0):
            record = {"step": step, "learning_rate": rate, **values}
            if ends_epoch:
                record |= validation(config, accelerator.unwrap_model(decoder), material, step)
            run.append_log(record)
        if progress:
            progress(step + 1, length.num_steps, values)
        if accelerator.is_main_process and time.monotonic() - saved_at > schedule.save_every_s:
            weights = accelerator.unwrap_model(decoder).state_dict()
            run.save_checkpoint(
                {"weights": weights, "optimizer": optimizer.state_dict(), "step": step + 1}
            )
            saved_at = time.monotonic()


def _fed(
    config: ExperimentConfig, material: Material, rows: Iterator[BatchRows], device: torch.device
) -> Iterator[tuple[int, StepBatch, torch.Generator]]:
    """Each step with what it learns from and where its randomness comes from."""
    for one in rows:
        generator = torch.Generator().manual_seed(derived_seed(config.seed, one.step))
        yield one.step, step_batch(config, material, one, generator, device), generator


def one_step(
    config: ExperimentConfig,
    accelerator: Accelerator,
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: StepBatch,
    step: int,
    phase: Phase,
    generator: torch.Generator,
) -> dict[str, float]:
    """One update; its randomness follows from (seed, step) alone."""
    training_mode(accelerator.unwrap_model(decoder))
    with torch.random.fork_rng(), accelerator.autocast():
        # Dropout draws from torch's global stream: fixed here by the step, restored after it.
        torch.manual_seed(derived_seed(config.seed, step, 1))
        quirks = config.quirks.resolved()
        losses, monitors = step_losses(decoder, batch, config.losses, phase, quirks, generator)
        total = sum(losses.values())
    values = {name: value.item() for name, value in {**losses, **monitors}.items()}
    if not torch.isfinite(total):
        parts = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
        raise FloatingPointError(
            f"The loss is {total.item()} at step {step}: {parts}. "
            "Lower schedule.learning_rate; the last good checkpoint is kept."
        )
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(total)
    optimizer.step()
    return values


def _provenance(
    config: ExperimentConfig, prepared: Sequence[PreparedSubject], networks: FrozenNetworks
) -> dict:
    return {
        # Where things lay; what they were stands in `data` and `networks`. None: the offline ones.
        "paths": {
            "data": [str(one.path.resolve()) for one in prepared],
            **{
                name: None if path is None else str(path.resolve())
                for name, path in (
                    ("clip", config.clip),
                    ("vae", config.vae),
                    ("teacher", config.teacher),
                    ("start_from", config.start_from),
                )
            },
        },
        "networks": networks.identities,
        "start": start_hash(config.start_from) if config.start_from else None,
        **({"started_from": origin_of(config.start_from)} if config.start_from else {}),
        "quirks": to_mapping(config.quirks.resolved()),
        "clip_tokens": config.clip_tokens,
        "seed": config.seed,
        "data": [one.manifest for one in prepared],
        "simulated": next(filter(None, (one.manifest["simulated"] for one in prepared)), None),
    }

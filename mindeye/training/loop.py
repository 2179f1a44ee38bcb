"""The training loop: deterministic by step, resumable after any kill."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Int
from torch import Tensor, nn

from mindeye.data.batches import PreparedSubject, epoch_order
from mindeye.losses import top1_share
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder
from mindeye.models.saved import new_decoder, save_architecture
from mindeye.run import RunFolder
from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.targets.vae import VaeTarget, load_vae
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.objective import TargetBatch, drawn_repeats, step_losses
from mindeye.training.optimizer import decay_groups
from mindeye.training.plan import blank_decoder, prepared_subjects
from mindeye.training.schedule import one_cycle
from mindeye.training.subjects import Subject, open_subject, take

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
        ValueError: the folder holds another run, or the configuration does not fit the data.
        FloatingPointError: a loss is not finite; step and losses are named.
    """
    accelerator = Accelerator(step_scheduler_with_optimizer=False)
    if accelerator.num_processes > 1:
        raise ValueError(
            f"{accelerator.num_processes} processes were started, but training runs in one for "
            "now. Use `accelerate launch --num_processes 1`, on a GPU where there is one."
        )
    prepared = prepared_subjects(config)
    clip = load_clip(config.clip, accelerator.device)
    vae = load_vae(config.vae, accelerator.device)
    # Before anything is written.
    blank_decoder(config, prepared, clip.token_shape, vae.latent_shape)
    run = RunFolder(path=run_path)
    run.begin(config, _provenance(config, prepared, clip, vae))
    if run.is_finished:
        return run
    subjects = [open_subject(one, clip, vae, embed_progress) for one in prepared]
    for one in prepared:
        bundle = run.path / "bundle" / f"subj{one.subject:02d}"
        if not bundle.exists():
            one.bundle.save(bundle)
    torch.manual_seed(config.seed)
    table = subjects[0].targets
    save_architecture(
        run.path,
        config.decoder,
        num_voxels_of={one.number: one.train.betas.shape[2] for one in subjects},
        token_shape=table.tokens_array.shape[1:],
        latent_shape=table.latents_array.shape[1:],
    )
    decoder = new_decoder(run.path)
    decoder.prior.fit(torch.cat([one.targets.tokens(one.train.image_ids) for one in subjects]))
    optimizer = torch.optim.AdamW(
        decay_groups(decoder, config.schedule.weight_decay, config.schedule.ridge_decay),
        lr=config.schedule.learning_rate,
        fused=True,
    )
    decoder, optimizer = accelerator.prepare(decoder, optimizer)
    run_steps(config, run, accelerator, decoder, optimizer, subjects, progress)
    if accelerator.is_main_process:
        run.finish(accelerator.unwrap_model(decoder).state_dict())
    accelerator.wait_for_everyone()
    return run


def run_steps(
    config: ExperimentConfig,
    run: RunFolder,
    accelerator: Accelerator,
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    subjects: Sequence[Subject],
    progress: Progress | None,
) -> None:
    """All steps from the last checkpoint on."""
    schedule = config.schedule
    steps_per_epoch = sum(steps_of(subject, schedule.batch) for subject in subjects)
    num_steps = schedule.num_epochs * steps_per_epoch
    state = run.load_checkpoint()
    if state:
        accelerator.unwrap_model(decoder).load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
    first = state["step"] if state else 0
    saved_at = time.monotonic()
    for step, subject, rows in epochs(subjects, schedule.batch, config.seed, first, num_steps):
        rate = one_cycle(step, num_steps, schedule.learning_rate, schedule.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        values = one_step(
            config, accelerator, decoder, optimizer, subject, rows, step, step / num_steps
        )
        ends_epoch = (step + 1) % steps_per_epoch == 0
        if accelerator.is_main_process and (ends_epoch or step % LOG_EVERY == 0):
            record = {"step": step, "learning_rate": rate, **values}
            if ends_epoch:
                record |= validation(accelerator.unwrap_model(decoder), subjects)
            run.append_log(record)
        if progress:
            progress(step + 1, num_steps, values)
        if accelerator.is_main_process and time.monotonic() - saved_at > schedule.save_every_s:
            weights = accelerator.unwrap_model(decoder).state_dict()
            run.save_checkpoint(
                {"weights": weights, "optimizer": optimizer.state_dict(), "step": step + 1}
            )
            saved_at = time.monotonic()


def one_step(
    config: ExperimentConfig,
    accelerator: Accelerator,
    decoder: nn.Module,
    optimizer: torch.optim.Optimizer,
    subject: Subject,
    rows: Int[Tensor, "images"],
    step: int,
    share_done: float,
) -> dict[str, float]:
    """One update; its randomness follows from (seed, step) alone."""
    generator = torch.Generator().manual_seed(derived_seed(config.seed, step))
    batch = take(subject.train, rows)
    betas = drawn_repeats(batch, config.schedule.mean_of_repeats, generator)
    targets = TargetBatch(
        tokens=subject.targets.tokens(batch.image_ids).to(accelerator.device),
        latents=subject.targets.latents(batch.image_ids).to(accelerator.device),
    )
    decoder.train()
    with torch.random.fork_rng(), accelerator.autocast():
        # Dropout draws from torch's global stream: fixed here by the step, restored after it.
        torch.manual_seed(derived_seed(config.seed, step, 1))
        losses, monitors = step_losses(
            decoder,
            betas.to(accelerator.device),
            subject.number,
            targets,
            config.losses,
            share_done,
            generator,
        )
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


def epochs(
    subjects: Sequence[Subject], batch: int, seed: int, first: int, num_steps: int
) -> Iterator[tuple[int, Subject, Int[Tensor, "images"]]]:
    """(step, subject, rows of its training images), from step `first` on.

    An epoch shuffles each subject's images into full batches and the batches of all subjects
    among each other; by (seed, epoch) alone.
    """
    per_epoch = sum(steps_of(subject, batch) for subject in subjects)
    for epoch in range(first // per_epoch, -(-num_steps // per_epoch)):
        pieces = [
            (subject, torch.from_numpy(rows))
            for subject in subjects
            for rows in epoch_order(
                len(subject.train.image_ids), batch, derived_seed(seed, subject.number), epoch
            )
        ]
        order = np.random.default_rng([seed, epoch]).permutation(len(pieces))
        for index, piece in enumerate(order):
            step = epoch * per_epoch + index
            if step >= first:
                yield step, *pieces[piece]


def steps_of(subject: Subject, batch: int) -> int:
    """Full batches that a subject gives in an epoch.

    Raises:
        ValueError: a batch is larger than the subject's training set.
    """
    return len(epoch_order(len(subject.train.image_ids), batch, seed=0, epoch=0))


@torch.inference_mode()
def validation(decoder: Decoder, subjects: Sequence[Subject]) -> dict[str, float]:
    """Top-1 image retrieval among each subject's validation images, where it has any."""
    decoder.eval()
    device = next(decoder.parameters()).device
    values = {}
    for subject in subjects:
        if not len(subject.validation.image_ids):
            continue
        output = decoder(subject.validation.mean().to(device), subject.number)
        images = embedding_of(subject.targets.tokens(subject.validation.image_ids)).to(device)
        name = f"validation_top1_subj{subject.number:02d}"
        values[name] = top1_share(output.embeddings, images).item()
    return values


def derived_seed(*parts: int) -> int:
    """One seed from several numbers; neighbouring numbers give unrelated seeds."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _provenance(
    config: ExperimentConfig, prepared: Sequence[PreparedSubject], clip: ClipTarget, vae: VaeTarget
) -> dict:
    return {
        # Where things lay; what they were stands in `data` and `networks`. None: the offline ones.
        "paths": {
            "data": [str(one.path.resolve()) for one in prepared],
            "clip": None if config.clip is None else str(config.clip.resolve()),
            "vae": None if config.vae is None else str(config.vae.resolve()),
        },
        "networks": {"clip": clip.identity, "vae": vae.identity},
        "seed": config.seed,
        "data": [one.manifest for one in prepared],
        "simulated": next(filter(None, (one.manifest["simulated"] for one in prepared)), None),
    }

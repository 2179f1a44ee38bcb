"""The scans and targets of one step, from memory to the device."""

from collections.abc import Mapping

import torch

from mindeye.training.experiment import ExperimentConfig
from mindeye.training.objective import StepBatch, TargetBatch
from mindeye.training.order import BatchRows
from mindeye.training.presentation import Moment, presented
from mindeye.training.subjects import Subject, take
from mindeye.types import SubjectBatch


def step_batch(
    config: ExperimentConfig,
    subjects: Mapping[int, Subject],
    rows: BatchRows,
    generator: torch.Generator,
    device: torch.device,
) -> StepBatch:
    """What a step learns from; its randomness comes from `generator`."""
    moment = Moment(
        step=rows.step,
        pass_number=rows.pass_number,
        seed=config.seed,
        mean_of_repeats=config.schedule.mean_of_repeats,
        generator=generator,
    )
    parts, tokens, latents = [], [], []
    for number, own in rows.rows_of.items():
        subject = subjects[number]
        repeats = take(subject.train, own)
        betas = presented(repeats, config.schedule.presentation, moment)
        parts.append(
            SubjectBatch(subject=number, betas=betas.to(device), image_ids=repeats.image_ids)
        )
        tokens.append(subject.targets.tokens(repeats.image_ids))
        latents.append(subject.targets.latents(repeats.image_ids))
    return StepBatch(
        parts=parts,
        targets=TargetBatch(
            tokens=torch.cat(tokens).to(device), latents=torch.cat(latents).to(device)
        ),
    )

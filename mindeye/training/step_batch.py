"""The scans and targets of one step, from memory to the device."""

from collections.abc import Sequence
from dataclasses import fields

import torch
from jaxtyping import Int
from torch import Tensor

from mindeye.training.augmentation import augmented
from mindeye.training.decoded_pictures import comparable
from mindeye.training.drawn_step import StepBatch, TargetBatch
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.networks import FrozenNetworks
from mindeye.training.order import BatchRows
from mindeye.training.presentation import Moment, presented
from mindeye.training.subjects import Material, Subject, take
from mindeye.types import SubjectBatch


def step_batch(
    config: ExperimentConfig,
    material: Material,
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
    parts, targets = [], []
    for number, own in rows.rows_of.items():
        subject = material.subjects[number]
        repeats = take(subject.train, own)
        betas = presented(repeats, config.schedule.presentation, moment)
        parts.append(
            SubjectBatch(subject=number, betas=betas.to(device), image_ids=repeats.image_ids)
        )
        targets.append(
            targets_of(subject, repeats.image_ids, material.networks, config, generator, device)
        )
    return StepBatch(parts=parts, targets=joined_targets(targets))


@torch.no_grad()
def targets_of(
    subject: Subject,
    image_ids: Int[Tensor, "images"],
    networks: FrozenNetworks,
    config: ExperimentConfig,
    generator: torch.Generator,
    device: torch.device,
) -> TargetBatch:
    """What the decoder shall say of some images; from the cache, but for what changes each time."""
    latents = subject.targets.latents(image_ids).to(device)
    if not (networks.augmentation or networks.teacher or config.losses.of_decoded):
        return TargetBatch(tokens=subject.targets.tokens(image_ids).to(device), latents=latents)
    pictures = subject.pictures(image_ids)
    if networks.augmentation:
        seen = augmented(pictures, networks.augmentation, generator)
        tokens = networks.clip.tokens(seen.to(device)).float()
    else:
        tokens = subject.targets.tokens(image_ids).to(device)
    maps, augmented_maps = None, None
    if networks.teacher:
        other_view = augmented(pictures, config.map_augmentation, generator)
        maps = networks.teacher.maps(pictures.to(device)).float()
        augmented_maps = networks.teacher.maps(other_view.to(device)).float()
    shown = None
    if config.losses.of_decoded:
        shown = comparable(pictures.to(device), networks.vae, config.losses)
    return TargetBatch(
        tokens=tokens,
        latents=latents,
        maps=maps,
        augmented_maps=augmented_maps,
        pictures=shown,
    )


def joined_targets(targets: Sequence[TargetBatch]) -> TargetBatch:
    """Targets of several subjects' images, one after the other."""
    if len(targets) == 1:
        return targets[0]
    columns = {
        field.name: [getattr(one, field.name) for one in targets] for field in fields(TargetBatch)
    }
    return TargetBatch(
        **{name: None if ones[0] is None else torch.cat(ones) for name, ones in columns.items()}
    )

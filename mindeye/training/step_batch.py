"""The scans and targets of one step, from memory to the device."""

from collections.abc import Sequence
from dataclasses import fields

import torch
from jaxtyping import Int
from torch import Tensor

from mindeye.device_copy import sent
from mindeye.training.augmentation import augmented
from mindeye.training.decoded_pictures import comparable
from mindeye.training.drawn_step import StepBatch, TargetBatch
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.fixed_targets import drawn_view
from mindeye.training.networks import FrozenNetworks
from mindeye.training.order import BatchRows
from mindeye.training.presentation import Moment, presented
from mindeye.training.share import Share, whole
from mindeye.training.subjects import Material, Subject, take
from mindeye.types import SubjectBatch

ALL = slice(None)


def step_batch(
    config: ExperimentConfig,
    material: Material,
    rows: BatchRows,
    generator: torch.Generator,
    device: torch.device,
    share: Share | None = None,
) -> StepBatch:
    """What a step learns from; its randomness comes from `generator`.

    With a share, targets are those of its images alone; scans are always those of the batch, which
    are mixed among each other.
    """
    moment = Moment(
        step=rows.step,
        pass_number=rows.pass_number,
        seed=config.seed,
        mean_of_repeats=config.schedule.mean_of_repeats,
        generator=generator,
    )
    parts, targets = [], []
    trials_of = [len(own) for own in rows.rows_of.values()]
    cuts = (share or whole(sum(trials_of))).cuts(trials_of)
    for (number, own), cut in zip(rows.rows_of.items(), cuts, strict=True):
        subject = material.subjects[number]
        repeats = take(subject.train, own)
        betas = presented(repeats, config.schedule.presentation, moment)
        parts.append(
            SubjectBatch(subject=number, betas=sent(betas, device), image_ids=repeats.image_ids)
        )
        targets.append(
            targets_of(
                subject, repeats.image_ids, material.networks, config, generator, device, cut
            )
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
    cut: slice = ALL,
) -> TargetBatch:
    """What the decoder shall say of some images; from the cache, but for what changes each time.

    Changes and views are drawn for all images, targets are made of those in `cut`.
    """
    own, fixed = image_ids[cut], subject.fixed
    latents = sent(subject.targets.stored_latents(own), device).float()
    changes = networks.num_views is None and (networks.augmentation or networks.teacher)
    pictures = subject.pictures(image_ids) if changes or config.losses.of_decoded else None
    if fixed.token_views:
        drawn = drawn_view(fixed.token_views, image_ids, generator, cut)
        tokens = sent(drawn, device).float()
    elif networks.augmentation:
        seen = augmented(pictures, networks.augmentation, generator)[cut]
        tokens = networks.clip.tokens(sent(seen, device)).float()
    else:
        tokens = sent(subject.targets.stored_tokens(own), device).float()
    maps, augmented_maps = None, None
    if networks.teacher:
        maps = sent(fixed.maps.of(own), device).float()
        if fixed.map_views:
            drawn = drawn_view(fixed.map_views, image_ids, generator, cut)
            augmented_maps = sent(drawn, device).float()
        else:
            # At its own side, as published: the blur of a smaller picture would be a stronger one.
            seen = networks.teacher.resized(pictures)
            other_view = augmented(seen, networks.map_augmentation, generator)[cut]
            augmented_maps = networks.teacher.maps(sent(other_view, device)).float()
    shown = None
    if config.losses.of_decoded:
        shown = comparable(sent(pictures[cut], device), networks.vae, config.losses)
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

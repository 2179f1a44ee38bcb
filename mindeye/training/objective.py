"""One training step: scans and targets in, losses out. Models, targets and losses meet here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.losses import (
    draw_mixing,
    joint_mixing,
    latent_distance,
    mixed_contrastive,
    soft_contrastive,
    soft_map_contrast,
    top1_share,
)
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder, DecoderOutput
from mindeye.models.low_level_network import LowLevelOutput
from mindeye.quirks import Quirks
from mindeye.targets.vae import VaeTarget
from mindeye.training.decoded_pictures import decoded_losses
from mindeye.training.experiment import LossConfig
from mindeye.training.schedule import Phase
from mindeye.types import SubjectBatch

Outputs = TypeVar("Outputs", DecoderOutput, LowLevelOutput)


@dataclass(frozen=True, kw_only=True)
class TargetBatch:
    """The image side of a batch; rows in the order of the scans."""

    tokens: Float[Tensor, "trials tokens width"]
    latents: Float[Tensor, "trials channels rows columns"]
    maps: Float[Tensor, "trials places map_width"] | None = None
    """The teacher's, where the low-level network learns any."""
    augmented_maps: Float[Tensor, "trials places map_width"] | None = None
    """The same of another view of each picture."""
    pictures: Float[Tensor, "trials 3 picture_rows picture_columns"] | None = None
    """What was seen, where decoded latents are compared with it."""


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """What one step learns from: each subject's trials, then the images of all, in that order."""

    parts: Sequence[SubjectBatch]
    targets: TargetBatch


@dataclass(frozen=True, kw_only=True)
class MixedBatch:
    """The batch as the decoder sees it."""

    parts: Sequence[SubjectBatch]
    labels: Float[Tensor, "trials trials"]
    """How much of each image is in each scan."""
    wanted: Int[Tensor, "trials"]
    """Whose tokens and latents prior and low-level head learn from each scan."""


def step_losses(
    decoder: Decoder,
    batch: StepBatch,
    config: LossConfig,
    phase: Phase,
    quirks: Quirks,
    generator: torch.Generator,
    vae: VaeTarget | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(weighted losses, monitors) of one batch.

    Args:
        quirks: resolved.
        generator: of MixCo, noise levels and noise, on the CPU whatever the device.
        vae: decodes latents, where the decoded pictures are compared.
    """
    mixed = mixed_batch(batch.parts, config, phase, quirks, generator)
    if not (config.contrastive or config.prior):
        blurry = joined([decoder.blurry(part.betas, part.subject) for part in mixed.parts])
        return low_level_losses(blurry, batch.targets, mixed.wanted, config, vae), {}
    targets, wanted = batch.targets, mixed.wanted
    images = embedding_of(targets.tokens)
    output = joined([decoder(part.betas, part.subject) for part in mixed.parts])
    if phase.mixes:
        contrastive = mixed_contrastive(output.embeddings, images, mixed.labels, phase.temperature)
    else:
        contrastive = soft_contrastive(output.embeddings, images, phase.temperature)
    seen = shared_out([len(part.betas) for part in mixed.parts], config.prior_trials)
    prior = decoder.prior.loss(output.brain_tokens[seen], targets.tokens[wanted][seen], generator)
    losses = {"contrastive": config.contrastive * contrastive, "prior": config.prior * prior}
    if output.low_level_latents is not None:
        blurry = LowLevelOutput(output.low_level_latents, output.low_level_maps)
        losses |= low_level_losses(blurry, targets, wanted, config, vae)
    return losses, {"top1": top1_share(output.embeddings.detach(), images[wanted])}


def shared_out(trials_of: Sequence[int], count: int | None) -> list[int]:
    """Rows of so many trials of a batch, as many of each subject as there are; None: all."""
    rows = [(turn, part) for part, trials in enumerate(trials_of) for turn in range(trials)]
    in_turns = sorted(range(len(rows)), key=rows.__getitem__)
    return sorted(in_turns[:count])


def low_level_losses(
    blurry: LowLevelOutput,
    targets: TargetBatch,
    wanted: Int[Tensor, "trials"],
    config: LossConfig,
    vae: VaeTarget | None = None,
) -> dict[str, Tensor]:
    """Weighted losses of VAE latents, of maps and of decoded pictures, where there are any."""
    distance = latent_distance(blurry.latents, targets.latents[wanted])
    losses = {"low_level": config.low_level * distance}
    if config.maps and blurry.maps is not None:
        losses["maps"] = config.maps * soft_map_contrast(
            blurry.maps,
            targets.maps[wanted],
            targets.augmented_maps[wanted],
            config.map_temperature,
        )
    if config.of_decoded:
        losses |= decoded_losses(blurry.latents, targets.pictures, wanted, vae, config)
    return losses


def mixed_batch(
    parts: Sequence[SubjectBatch],
    config: LossConfig,
    phase: Phase,
    quirks: Quirks,
    generator: torch.Generator,
) -> MixedBatch:
    """Mixes each subject's scans among each other, where the phase says so.

    A mixed scan is for the most part one image's: that image's tokens and latents are wanted
    (with the quirk `unmixed_targets` its own image's, as published).
    """
    num_trials = sum(len(part.betas) for part in parts)
    device = parts[0].betas.device
    own = torch.arange(num_trials, device=device)
    if not phase.mixes:
        return MixedBatch(parts=parts, labels=torch.eye(num_trials, device=device), wanted=own)
    mixings = [
        draw_mixing(
            len(part.betas),
            concentration=config.mixco_concentration,
            share=config.mixco_share,
            generator=generator,
        )
        for part in parts
    ]
    mixed = [
        SubjectBatch(
            subject=part.subject,
            betas=mixing.matrix().to(device) @ part.betas,
            image_ids=part.image_ids,
        )
        for part, mixing in zip(parts, mixings, strict=True)
    ]
    joint = joint_mixing(mixings, crossed=bool(quirks.crossed_labels))
    labels = (joint.lossy_labels() if quirks.lost_labels else joint.matrix()).to(device)
    main = joint_mixing(mixings).matrix().to(device).argmax(1)
    return MixedBatch(parts=mixed, labels=labels, wanted=own if quirks.unmixed_targets else main)


def joined(outputs: Sequence[Outputs]) -> Outputs:
    """Outputs of several subjects' trials, one after the other."""
    if len(outputs) == 1:
        return outputs[0]
    columns = zip(*outputs, strict=True)
    return type(outputs[0])(*(None if one[0] is None else torch.cat(one) for one in columns))

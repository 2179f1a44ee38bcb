"""What a step learns from, with everything drawn that chance decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.device_copy import sent
from mindeye.losses import draw_mixing, joint_mixing
from mindeye.models.prior import DiffusionPrior
from mindeye.models.prior_draws import PriorDraws
from mindeye.models.published_prior import PublishedPrior
from mindeye.quirks import Quirks
from mindeye.training.experiment import LossConfig
from mindeye.training.schedule import Phase
from mindeye.types import SubjectBatch


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


@dataclass(frozen=True, kw_only=True)
class DrawnStep:
    """A step of which nothing is left to chance but dropout; the same in every process."""

    mixed: MixedBatch
    targets: TargetBatch
    prior_rows: Sequence[int]
    """Of which trials the prior learns."""
    prior_draws: PriorDraws | None
    """One for each of `prior_rows`."""

    @property
    def num_trials(self) -> int:
        return len(self.mixed.wanted)


def drawn_step(
    prior: DiffusionPrior | PublishedPrior,
    batch: StepBatch,
    config: LossConfig,
    phase: Phase,
    quirks: Quirks,
    generator: torch.Generator,
) -> DrawnStep:
    """Draws what the losses of a batch need.

    Args:
        quirks: resolved.
        generator: of MixCo, noise levels and noise, on the CPU whatever the device.
    """
    mixed = mixed_batch(batch.parts, config, phase, quirks, generator)
    rows, draws = shared_out([len(one.betas) for one in mixed.parts], config.prior_trials), None
    if config.contrastive or config.prior:
        draws = prior.draws(len(rows), mixed.wanted.device, generator)
    return DrawnStep(mixed=mixed, targets=batch.targets, prior_rows=rows, prior_draws=draws)


def shared_out(trials_of: Sequence[int], count: int | None) -> list[int]:
    """Rows of so many trials of a batch, as many of each subject as there are; None: all."""
    rows = [(turn, part) for part, trials in enumerate(trials_of) for turn in range(trials)]
    in_turns = sorted(range(len(rows)), key=rows.__getitem__)
    return sorted(in_turns[:count])


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
            betas=sent(mixing.matrix(), device) @ part.betas,
            image_ids=part.image_ids,
        )
        for part, mixing in zip(parts, mixings, strict=True)
    ]
    joint = joint_mixing(mixings, crossed=bool(quirks.crossed_labels))
    labels = sent(joint.lossy_labels() if quirks.lost_labels else joint.matrix(), device)
    main = sent(joint_mixing(mixings).matrix().argmax(1), device)
    return MixedBatch(parts=mixed, labels=labels, wanted=own if quirks.unmixed_targets else main)

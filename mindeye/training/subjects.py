"""A subject's scans and targets, ready for training."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.targets.cache import TargetTable, target_table
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.types import RepeatBatch


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A subject's training and validation scans with their targets."""

    number: int
    train: RepeatBatch
    validation: RepeatBatch
    targets: TargetTable


def open_subject(
    prepared: PreparedSubject,
    clip: ClipTarget,
    vae: VaeTarget,
    embed_progress: Callable[[int, int], None] | None = None,
) -> Subject:
    """Loads train and validation scans and the cached targets; never the test scans."""
    targets = target_table(
        prepared.path / "targets",
        prepared.images,
        prepared.image_ids,
        clip,
        vae,
        embed_progress,
    )
    return Subject(
        number=prepared.subject,
        train=prepared.repeats("train"),
        validation=prepared.repeats("validation"),
        targets=targets,
    )


def take(batch: RepeatBatch, rows: Int[Tensor, "images"]) -> RepeatBatch:
    """Some images of a batch."""
    return RepeatBatch(
        subject=batch.subject,
        betas=batch.betas[rows].float(),
        present=batch.present[rows],
        image_ids=batch.image_ids[rows],
    )

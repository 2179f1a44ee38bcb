"""A subject's scans and targets, ready for training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.pictures import as_images
from mindeye.targets.cache import TargetTable, target_table
from mindeye.training.networks import FrozenNetworks
from mindeye.types import RepeatBatch


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A subject's training and validation scans with their targets."""

    number: int
    train: RepeatBatch
    validation: RepeatBatch
    targets: TargetTable
    prepared: PreparedSubject

    def pictures(self, image_ids: Int[Tensor, "images"]) -> Float[Tensor, "images 3 height width"]:
        """What was seen, RGB in [0, 1]."""
        return as_images(self.prepared.images[self.prepared.rows_of(image_ids.numpy())])


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a training learns from."""

    subjects: Mapping[int, Subject]
    networks: FrozenNetworks

    @property
    def num_images_of(self) -> dict[int, int]:
        """Subject -> training images."""
        return {number: len(one.train.image_ids) for number, one in self.subjects.items()}


def open_subject(
    prepared: PreparedSubject,
    networks: FrozenNetworks,
    embed_progress: Callable[[int, int], None] | None = None,
) -> Subject:
    """Loads train and validation scans and the cached targets; never the test scans."""
    targets = target_table(
        prepared.path / "targets",
        prepared.images,
        prepared.image_ids,
        networks.clip,
        networks.vae,
        embed_progress,
    )
    return Subject(
        number=prepared.subject,
        train=prepared.repeats("train"),
        validation=prepared.repeats("validation"),
        targets=targets,
        prepared=prepared,
    )


def take(batch: RepeatBatch, rows: Int[Tensor, "images"]) -> RepeatBatch:
    """Some images of a batch."""
    return RepeatBatch(
        subject=batch.subject,
        betas=batch.betas[rows].float(),
        present=batch.present[rows],
        image_ids=batch.image_ids[rows],
    )

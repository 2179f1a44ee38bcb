"""A subject's scans and targets, ready for training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from jaxtyping import Float, Int
from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.data.mapped_trials import MappedRepeats
from mindeye.files import require_whole
from mindeye.pictures import as_images
from mindeye.targets.cache import TargetTable
from mindeye.training.fixed_targets import FixedTargets, open_targets
from mindeye.training.networks import FrozenNetworks
from mindeye.types import RepeatBatch


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A subject's training and validation scans with their targets."""

    number: int
    train: MappedRepeats
    validation: RepeatBatch
    targets: TargetTable
    prepared: PreparedSubject
    fixed: FixedTargets

    def pictures(self, image_ids: Int[Tensor, "images"]) -> Float[Tensor, "images 3 height width"]:
        """What was seen, RGB in [0, 1].

        Raises:
            ValueError: the file was cut off since it was opened.
        """
        require_whole(self.prepared.images)
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
    """Opens train and validation scans and the cached targets; never the test scans."""
    targets, fixed = open_targets(prepared, networks, embed_progress)
    return Subject(
        number=prepared.subject,
        train=prepared.mapped_repeats("train"),
        validation=prepared.repeats("validation"),
        targets=targets,
        prepared=prepared,
        fixed=fixed,
    )


def take(repeats: MappedRepeats, rows: Int[Tensor, "images"]) -> RepeatBatch:
    """Some images with their repeats, float32."""
    batch = repeats.take(rows)
    return replace(batch, betas=batch.betas.float())

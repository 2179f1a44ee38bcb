"""Brain correlation in `mindeye evaluate`: do pictures explain the scan that they came from?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from mindeye.data.batches import PreparedSubject
from mindeye.data.mapped_trials import MappedRepeats
from mindeye.metrics.brain_correlation import EncodingModel, train_encoding
from mindeye.metrics.protocols import MetricProtocol
from mindeye.reconstruction.picture_source import Pictures
from mindeye.reconstruction.set_scoring import brain_scores, embeddings_of
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork

SHOWN = "encoding of the shown picture"
NO_BOUND = (
    "Brain correlation: the encoding of the shown picture is a reference, no upper bound. A "
    "reconstruction was decoded from the very betas that it is compared with, noise included."
)
LEAST_VOXELS = 10
"""The correlation over fewer is mostly noise: such regions are left out, with a note."""
# Pictures and betas read at a time: 139 MB of 425 px, 24 MB of 15,724 voxels.
BLOCK = 256
# Of the networks that have an embedding; a CLIP that the user or the run names comes first.
_NETWORKS = ("clip", "clip-vit-l-14", "siglip2")


@dataclass(frozen=True, kw_only=True)
class MeasuredBrain:
    """What one subject's brain did at the pictures that are evaluated, and who trains its model."""

    training: PreparedSubject
    image_ids: Int[np.ndarray, "images"]
    measured: Float[np.ndarray, "images voxels"]
    """Mean over repeats."""
    regions: Mapping[str, Bool[np.ndarray, "voxels"]]
    notes: tuple[str, ...] = ()


def measured_brain(
    tested: PreparedSubject, training: PreparedSubject, image_ids: Int[np.ndarray, "images"]
) -> MeasuredBrain:
    """Reads the measured betas of some test (or validation) images.

    Args:
        training: the same voxels of the same subject; its training split alone is learned from.

    Raises:
        LookupError: an image that is neither a test nor a validation image there.
        ValueError: no region labels, nothing to train on, or training images among these.
    """
    if training.is_test_only:
        raise ValueError(
            f"{training.path} holds no training images, so no encoding model can be trained on "
            "it. Give the prepared folder of the training."
        )
    found = tested.roi_of_voxels()
    regions = {name: mask for name, mask in found.items() if mask.sum() >= LEAST_VOXELS}
    if not regions:
        raise ValueError(
            f"{tested.path} has no region of {LEAST_VOXELS} voxels or more, so that nothing can "
            "be told region by region. Prepare the subject from a tree with ROI volumes, or leave "
            "out --brain."
        )
    seen = np.intersect1d(image_ids, training.image_ids_of("train"))
    if len(seen):
        raise ValueError(
            f"{len(seen)} of these images are training images of {training.path}, first "
            f"{seen[:5].tolist()}. Evaluate pictures of test images."
        )
    small = [f"{name} ({int(mask.sum())})" for name, mask in found.items() if name not in regions]
    left_out = f"Brain correlation leaves out regions of few voxels: {', '.join(small)}."
    return MeasuredBrain(
        training=training,
        image_ids=image_ids,
        measured=_measured(tested, image_ids),
        regions={**regions, "all voxels": np.ones(tested.num_voxels, dtype=bool)},
        notes=(NO_BOUND, left_out) if small else (NO_BOUND,),
    )


def brain_part(
    brain: MeasuredBrain,
    pictures: Mapping[str, Pictures],
    judges: Mapping[str, MetricNetwork | PairNetwork],
    protocol: MetricProtocol,
) -> tuple[dict[str, dict[str, Float[np.ndarray, "images"]]], str]:
    """System -> metric -> values, and what the encoding model is: comparable only where equal.

    Raises:
        ValueError: no network with an embedding.
    """
    network = judge_of(judges)
    model = trained_encoding(brain.training, network, protocol)
    known = (brain.measured, brain.image_ids, brain.regions, network, protocol)
    scores = {system: brain_scores(model, one, *known) for system, one in pictures.items()}
    manifest = brain.training.manifest
    identity = (
        f"ridge from {network.identity} to {manifest['num_voxels']} voxels "
        f"{manifest['voxel_hash'][:12]} of subject {manifest['subject']} "
        f"({manifest['beta_version']}, {manifest['zscore']}), learned from {len(model.image_ids)} "
        f"training images of {manifest['protocol']}"
    )
    return scores, identity


def judge_of(judges: Mapping[str, MetricNetwork | PairNetwork]) -> MetricNetwork:
    """The network whose embeddings the encoding model takes.

    Raises:
        ValueError: none of the judges has one.
    """
    name = next((name for name in _NETWORKS if name in judges), None)
    if name is None:
        raise ValueError(
            "Brain correlation needs a CLIP that sees the pictures, and none was given. Name a "
            "folder with --clip, or one that holds clip-vit-l-14 with --networks."
        )
    return judges[name]


def trained_encoding(
    training: PreparedSubject, network: MetricNetwork, protocol: MetricProtocol
) -> EncodingModel:
    """Learned from the training split alone, as stored pictures and means over repeats."""
    repeats = training.mapped_repeats("train")
    image_ids = repeats.image_ids.numpy()
    rows = training.rows_of(image_ids)
    features = [
        embeddings_of(training.images[rows[one]], network, protocol) for one in _blocks(len(rows))
    ]
    betas = _means(repeats, np.arange(len(rows)))
    return train_encoding(np.concatenate(features), betas, image_ids)


def _measured(
    tested: PreparedSubject, image_ids: Int[np.ndarray, "images"]
) -> Float[np.ndarray, "images voxels"]:
    for split in ("test", "validation"):
        if tested.manifest["splits"].get(split, {}).get("num_trials"):
            repeats = tested.mapped_repeats(split)
            there = repeats.image_ids.numpy()
            if np.isin(image_ids, there).all():
                return _means(repeats, np.searchsorted(there, image_ids))
    raise LookupError(
        f"Not all of the {len(image_ids)} images, from id {image_ids.min()}, are test images of "
        f"{tested.path}: their betas are not there. Give the prepared folder that they belong to."
    )


def _means(
    repeats: MappedRepeats, rows: Int[np.ndarray, "images"]
) -> Float[np.ndarray, "images voxels"]:
    parts = [repeats.take(torch.from_numpy(rows[one])).mean() for one in _blocks(len(rows))]
    return torch.cat(parts).numpy()


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))

"""Brain and image embeddings of a test set, matched by image id: what retrieval is measured on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.types import require_unique

# Embeddings of 257 x 768 values: 80 MB.
TRAINING_BLOCK = 100


@dataclass(frozen=True, kw_only=True)
class TrainingEmbeddings:
    """Of the images that a decoder was trained with; read as they are needed."""

    image_ids: Int[np.ndarray, "candidates"]
    read: Callable[[np.ndarray], Tensor]
    """Rows of `image_ids` -> their image embeddings."""

    def blocks(self) -> Iterator[Tensor]:
        """All embeddings, a hundred at a time."""
        rows = np.arange(len(self.image_ids))
        for start in range(0, len(rows), TRAINING_BLOCK):
            yield self.read(rows[start : start + TRAINING_BLOCK])


@dataclass(frozen=True, kw_only=True)
class EmbeddingPairs:
    """Row i of both is of the same image; rows ascend by image id.

    Raises:
        ValueError: an image id stands twice, or is a training image's.
    """

    image_ids: Int[np.ndarray, "images"]
    brain: Float[Tensor, "images *features"]
    images: Float[Tensor, "images *_features"]
    training: TrainingEmbeddings | None = None

    def __post_init__(self) -> None:
        require_unique(torch.from_numpy(self.image_ids))
        if (np.diff(self.image_ids) < 0).any():
            raise ValueError(
                "Image ids do not ascend. Sort the rows, or make the pairs with `matched_pairs`."
            )
        if self.training is not None:
            leaked = np.intersect1d(self.image_ids, self.training.image_ids)
            if len(leaked):
                raise ValueError(
                    f"{len(leaked)} of {len(self.image_ids)} test images are training images, "
                    f"first id {int(leaked[0])}. Test on images that training has not seen."
                )


@dataclass(frozen=True, kw_only=True)
class ScanOrder:
    """When the brains of some pairs were scanned, each of them once."""

    rows: Int[np.ndarray, "images"]
    """Rows of the pairs, in the order of the scan."""
    runs: Int[np.ndarray, "images"]
    """The scanner's run in which each of these was scanned."""


def matched_pairs(
    brain: Float[Tensor, "trials *features"],
    brain_ids: Int[np.ndarray, "trials"],
    images: Float[Tensor, "_images *_features"],
    image_ids: Int[np.ndarray, "_images"],
    training: TrainingEmbeddings | None = None,
) -> EmbeddingPairs:
    """Brings both to the order of ascending image ids.

    Raises:
        ValueError: an id stands twice, or only on one side.
    """
    for ids in (brain_ids, image_ids):
        require_unique(torch.from_numpy(ids))
    alone = np.setxor1d(brain_ids, image_ids)
    if len(alone):
        raise ValueError(
            f"{len(brain_ids)} brain and {len(image_ids)} image embeddings: {len(alone)} image ids "
            f"stand only on one side, first {int(alone[0])}. Give both for every test image."
        )
    return EmbeddingPairs(
        image_ids=np.sort(image_ids),
        brain=brain[torch.from_numpy(np.argsort(brain_ids))],
        images=images[torch.from_numpy(np.argsort(image_ids))],
        training=training,
    )

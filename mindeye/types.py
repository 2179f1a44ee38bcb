"""The frozen values that cross the borders between folders."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SubjectBatch:
    """Single trials of one subject, z-scored."""

    subject: int
    betas: Float[Tensor, "trials voxels"]
    image_ids: Int[Tensor, "trials"]


@dataclass(frozen=True, kw_only=True)
class RepeatBatch:
    """All repeats of some images of one subject, z-scored; absent ones are 0, not `present`."""

    subject: int
    betas: Float[Tensor, "images repeats voxels"]
    present: Bool[Tensor, "images repeats"]
    image_ids: Int[Tensor, "images"]

    def mean(self) -> Float[Tensor, "images voxels"]:
        """The mean over the repeats that are present, float32 whatever the storage."""
        weight = self.present.float().unsqueeze(-1)
        return (self.betas.float() * weight).sum(1) / weight.sum(1)


class Decoded(NamedTuple):
    """What the decoder says of some images; first axis images everywhere.

    `embeddings` are unit vectors for retrieval; `image_tokens` come from the prior (None until it
    has been sampled); `latents` are VAE latents at the scale that the VAE's decoder takes
    (None for a decoder without low-level head).
    """

    image_ids: Int[Tensor, "images"]
    brain_tokens: Float[Tensor, "images tokens width"]
    embeddings: Float[Tensor, "images features"]
    image_tokens: Float[Tensor, "images tokens width"] | None
    latents: Float[Tensor, "images channels height width"] | None


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One number of a report with what is needed to judge it."""

    system: str
    metric: str
    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    n: int
    """Images behind the number."""
    chance: float | None
    """What guessing gives; None where guessing has no fixed value."""
    better: str
    """`higher` or `lower`."""


@dataclass(frozen=True, kw_only=True)
class AnalysisPoint:
    """A place (a region, a number of repeats, a session ...) and what was measured there."""

    figure: str
    """Points of one figure share axes."""
    measure: str
    """What `value` is; a figure has one."""
    series: str
    place: str | float
    value: float
    low: float
    high: float
    n: int
    """Images behind the number; voxels where the measure is one of voxels."""
    chance: float | None = None
    num_voxels: int | None = None


def require_unique(image_ids: Int[Tensor, "images"]) -> None:
    """Refuses an image id that stands twice.

    Raises:
        ValueError: names up to five of them.
    """
    values, counts = torch.unique(image_ids, return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        raise ValueError(
            f"{len(twice)} image ids stand more than once, first {twice[:5].tolist()}. "
            "Average the repeats of an image before this step."
        )

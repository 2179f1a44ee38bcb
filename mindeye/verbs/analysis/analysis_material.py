"""What the parts of `mindeye analyse` work on, and what they give back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.analysis.voxel_shares import Material, meaning_of
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.opening import OpenRun
from mindeye.types import AnalysisPoint, RepeatBatch

LEAST_VOXELS = 10
"""A smaller region is left out: equal numbers of voxels would take it for the measure of all."""
MEANING, LOOK = "meaning (CLIP embedding)", "look (VAE latents)"
TWO_WAY = "two-way identification"

Progress = Callable[[str, int, int], None]


class AbsentError(ValueError):
    """What a part needs is not in the prepared folder."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one part found."""

    points: list[AnalysisPoint] = field(default_factory=list)
    maps: dict[str, Float[np.ndarray, "voxels"]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """An opened run with what several parts need, each read once."""

    run: OpenRun
    pool_size: int
    seed: int
    progress: Progress

    @cached_property
    def train(self) -> RepeatBatch:
        return self.run.prepared.repeats("train")

    @cached_property
    def test(self) -> RepeatBatch:
        return self.run.prepared.repeats("test")

    @cached_property
    def meaning(self) -> Material:
        return meaning_of(self.train, self.test, self.run.targets)

    @cached_property
    def image_embeddings(self) -> Float[Tensor, "images features"]:
        return embedding_of(self.run.targets.tokens(self.test.image_ids))

    @property
    def regions(self) -> dict[str, Bool[np.ndarray, "voxels"]]:
        """Those with enough voxels.

        Raises:
            AbsentError: there is none.
        """
        found = self.run.prepared.roi_of_voxels()
        regions = {roi: mask for roi, mask in found.items() if mask.sum() >= LEAST_VOXELS}
        if not regions:
            raise AbsentError(
                f"None of the regions of {self.run.prepared.path} has {LEAST_VOXELS} voxels. "
                "Prepare the subject from a tree with ROI volumes, or leave out `regions`."
            )
        return regions

    def rng(self) -> np.random.Generator:
        """A new one for every part, whose numbers then do not hang on other parts."""
        return np.random.default_rng(self.seed)

    def ticks(self, stage: str, total: int) -> Callable[[], None]:
        """What is called after each of `total` steps of a stage."""
        self.progress(stage, 0, total)
        done = iter(range(1, total + 1))
        return lambda: self.progress(stage, next(done), total)

"""One subject's embeddings, compared once: what all parts of the retrieval benchmark share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.retrieval.pools import PUBLISHED_POOLS
from mindeye.retrieval.rank_scores import (
    BRAIN_RETRIEVAL,
    IMAGE_RETRIEVAL,
    TOPS,
    RankScore,
    rank_scores,
)
from mindeye.retrieval.similarity import (
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
)
from mindeye.verbs.retrieval.retrieval_sources import RetrievalSource
from mindeye.verbs.retrieval.scanner_runs import partners

PUBLISHED_POOL = 300
ALL = "all"
LABELS, BLOCKS = "labels", "blocks"
DEFAULT_POOLS = (2, 50, 100, PUBLISHED_POOL, ALL)
RIVALS_OF = {IMAGE_RETRIEVAL: image_retrieval_rivals, BRAIN_RETRIEVAL: brain_retrieval_rivals}


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """How retrieval is measured."""

    pools: tuple[int | str, ...] | None = None
    """Sizes, or `all`; None takes the usual ones that are not larger than the test set."""
    tops: tuple[int, ...] = TOPS
    draws: int = PUBLISHED_POOLS
    """Drawn pools beside the exact expectation, as published."""
    resamples: int = 10_000
    permutations: int = 10_000
    null: str = LABELS
    """What is exchanged: images one by one, or whole runs of the scanner."""
    seed: int = 0

    def sizes(self, num_images: int) -> tuple[int, ...]:
        """Pool sizes for so many test images, ascending.

        Raises:
            ValueError: a pool that cannot be drawn from them.
        """
        given = self.pools or [one for one in DEFAULT_POOLS if one == ALL or one < num_images]
        sizes = sorted({num_images if one == ALL else int(one) for one in given})
        if sizes[0] < 2 or sizes[-1] > num_images:
            raise ValueError(
                f"Pools of {', '.join(map(str, sizes))} are asked for, but there are {num_images} "
                f"test images. Choose sizes from 2 to {num_images}, or `all`."
            )
        return tuple(sizes)

    def drawn_size(self, num_images: int) -> int | None:
        """The published pool of 300, or the largest smaller one; None where there is only one."""
        below = [one for one in self.sizes(num_images) if one < num_images]
        return max((one for one in below if one <= PUBLISHED_POOL), default=None)


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One subject's similarities, and what follows from them alone."""

    source: RetrievalSource
    settings: BenchmarkSettings
    similarity: Float[Tensor, "images images"]
    partners: Callable[[np.random.Generator], Int[np.ndarray, "images"]] | None
    """As `label_nulls` takes them."""

    @cached_property
    def rivals(self) -> dict[str, Int[np.ndarray, "images"]]:
        """Of each image, by direction."""
        return {name: rivals_of(self.similarity) for name, rivals_of in RIVALS_OF.items()}

    @cached_property
    def scores(self) -> list[RankScore]:
        return rank_scores(self.num_images, self.sizes, self.settings.tops)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return self.settings.sizes(self.num_images)

    @property
    def num_images(self) -> int:
        return len(self.source.pairs.image_ids)

    def rng(self, purpose: int) -> np.random.Generator:
        """A stream of its own for each purpose: none depends on what else is computed."""
        subject = 0 if self.source.subject is None else self.source.subject
        return np.random.default_rng([self.settings.seed, subject, purpose])


def pairing_of(source: RetrievalSource, settings: BenchmarkSettings) -> Pairing:
    """Opens one subject for scoring.

    Raises:
        ValueError: embeddings that cannot be compared, pools that cannot be drawn, or runs of the
            scanner that are not known or cannot be exchanged.
        FloatingPointError: NaN or infinity.
    """
    settings.sizes(len(source.pairs.image_ids))
    exchanged = None
    if settings.null == BLOCKS:
        exchanged = partial(partners, source.scan_order())
        exchanged(np.random.default_rng(0))  # refuses before anything is computed
    return Pairing(
        source=source,
        settings=settings,
        similarity=similarity_matrix(source.pairs.brain, source.pairs.images),
        partners=exchanged,
    )

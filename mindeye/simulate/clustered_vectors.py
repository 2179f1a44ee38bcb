"""Made-up embeddings that are as hard to search as those of pictures.

Unit vectors around a common mean (as CLIP's lie in a narrow cone), in clusters of unequal sizes,
with variances that fall as a power law: few directions carry much, all carry something. Vectors
that are alike in every direction flatter each index.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float16, Float32, Int

from mindeye.simulate.random_streams import stream_of

# Vectors that are made at once: at 768 numbers each, 25 MB of float32.
BLOCK = 8192


@dataclass(frozen=True, kw_only=True)
class ClusteredVectors:
    """A distribution of unit vectors, from which any shard can be drawn on its own."""

    width: int = 768
    seed: int = 0
    num_clusters: int = 2000
    mean_length: float = 0.6
    """Of the common mean, beside deviations of length 1."""
    within: float = 0.67
    """Share of the deviations' variance that is within clusters."""
    exponent: float = 1.0
    """Of the power law of variances; 0: alike in every direction."""

    @property
    def identity(self) -> dict[str, Any]:
        """What the vectors depend on."""
        return asdict(self)

    def shard(self, number: int, count: int) -> Float16[np.ndarray, "vectors width"]:
        """The vectors of one shard, whatever other shards were drawn."""
        vectors = np.empty((count, self.width), dtype=np.float16)
        for start, block in self._blocks(count, "shard", number):
            vectors[start : start + len(block)] = block
        return vectors

    def queries(self, count: int) -> Float32[np.ndarray, "vectors width"]:
        """Vectors of the same distribution that stand in no shard."""
        return np.concatenate([block for _, block in self._blocks(count, "queries")])

    def clusters(self, number: int, count: int) -> Int[np.ndarray, "vectors"]:
        """To which cluster each vector of a shard belongs."""
        return self._clusters(stream_of(self.seed, "clusters", "shard", number), count)

    def captions(self, number: int, first: int, count: int) -> list[str]:
        """Of each vector of a shard; `first` is the row of the first among all shards."""
        clusters = self.clusters(number, count).tolist()
        return [
            f"made-up vector {row} of cluster {cluster}"
            for row, cluster in enumerate(clusters, start=first)
        ]

    def _blocks(
        self, count: int, *purpose: str | int
    ) -> Iterator[tuple[int, Float32[np.ndarray, "_block width"]]]:
        clusters = self._clusters(stream_of(self.seed, "clusters", *purpose), count)
        stream = stream_of(self.seed, "vectors", *purpose)
        for start in range(0, count, BLOCK):
            members = clusters[start : start + BLOCK]
            block = stream.standard_normal((len(members), self.width), dtype=np.float32)
            block *= self._spread * np.float32(self.within**0.5)
            block = block @ self._rotation
            block += self._centres[members]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            yield start, block

    def _clusters(self, stream: np.random.Generator, count: int) -> Int[np.ndarray, "vectors"]:
        # Sizes as Zipf has them, but without giants: the largest is some ten times the median one.
        sizes = 1 / (np.arange(self.num_clusters) + self.num_clusters / 20)
        return stream.choice(self.num_clusters, count, p=sizes / sizes.sum())

    @cached_property
    def _spread(self) -> Float32[np.ndarray, "width"]:
        """Standard deviations along the axes; their squares add up to one."""
        variances = np.arange(1, self.width + 1, dtype=np.float64) ** -self.exponent
        return np.sqrt(variances / variances.sum()).astype(np.float32)

    @cached_property
    def _rotation(self) -> Float32[np.ndarray, "width width"]:
        """From those axes to the numbers of a vector: each number mixes all directions."""
        drawn = stream_of(self.seed, "rotation").standard_normal((self.width, self.width))
        return np.linalg.qr(drawn)[0].astype(np.float32)

    @cached_property
    def _centres(self) -> Float32[np.ndarray, "clusters width"]:
        """Of the clusters, with the common mean in them."""
        stream = stream_of(self.seed, "centres")
        mean = stream.standard_normal(self.width)
        drawn = stream.standard_normal((self.num_clusters, self.width), dtype=np.float32)
        drawn *= self._spread * np.float32((1 - self.within) ** 0.5)
        mean *= self.mean_length / np.linalg.norm(mean)
        return drawn @ self._rotation + mean.astype(np.float32)

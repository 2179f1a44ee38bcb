"""Made-up embeddings between embedded pictures: galleries of millions in minutes, in their space.

Drawing and embedding a million pictures takes hours; vectors without any picture take minutes, and
must still be found by texts and by scans. Each is an embedding that was turned toward another one,
so that it lies in the cone of the network's real vectors, and its caption tells of what it is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Float32, Int

from mindeye.simulate.clustered_vectors import BLOCK
from mindeye.simulate.random_streams import stream_of

# Of the second picture. Never 0: a copy would be a near-duplicate of its first picture; above a
# half the second picture would be the first.
SHARES = (0.05, 0.5)


@dataclass(frozen=True, kw_only=True)
class MixedVectors:
    """Mixtures of two embeddings each, from which any shard can be drawn on its own."""

    embeddings: Float32[np.ndarray, "pictures width"]
    """Unit vectors of the pictures that are mixed."""
    names: Sequence[str]
    """What each of these pictures is called in captions."""
    checksum: str
    """Of these pictures: tells that a folder holds mixtures of the same ones."""
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.embeddings) < 2:
            raise ValueError(
                f"{len(self.embeddings)} embeddings cannot be mixed. Give a gallery of 2 or more."
            )

    @property
    def identity(self) -> dict[str, str | int]:
        """What the vectors depend on."""
        pictures = {"pictures": len(self.embeddings), "checksum": self.checksum}
        return {"made": "mixtures", "seed": self.seed, **pictures}

    def shard(self, number: int, count: int) -> Float16[np.ndarray, "vectors width"]:
        """The vectors of one shard, whatever other shards were drawn."""
        pairs, shares = self.mixed(number, count)
        vectors = np.empty((count, self.embeddings.shape[1]), dtype=np.float16)
        for start in range(0, count, BLOCK):
            first, second = self.embeddings[pairs[start : start + BLOCK]].swapaxes(0, 1)
            share = shares[start : start + BLOCK, None]
            block = (1 - share) * first + share * second
            vectors[start : start + BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
        return vectors

    def mixed(
        self, number: int, count: int
    ) -> tuple[Int[np.ndarray, "vectors 2"], Float32[np.ndarray, "vectors"]]:
        """Of each vector of a shard the two different pictures, and the share of the second."""
        stream, pictures = stream_of(self.seed, "mixtures", number), len(self.embeddings)
        first = stream.integers(pictures, size=count)
        second = (first + stream.integers(1, pictures, size=count)) % pictures
        return np.stack([first, second], 1), stream.uniform(*SHARES, count).astype(np.float32)

    def captions(self, number: int, first: int, count: int) -> list[str]:
        """Of each vector of a shard what it is made of, which shows that it is no picture."""
        pairs, shares = self.mixed(number, count)
        return [
            f"SIMULATED mixture: {1 - share:.0%} {self.names[one]} + {share:.0%} {self.names[two]}"
            for (one, two), share in zip(pairs.tolist(), shares.tolist(), strict=True)
        ]

"""What every search engine can do."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64


class Neighbours(NamedTuple):
    """Of each query the k most similar vectors, best first; equals by ascending row."""

    scores: Float32[np.ndarray, "queries k"]
    """Cosines."""
    rows: Int64[np.ndarray, "queries k"]
    """Gallery rows."""


@runtime_checkable
class VectorIndex(Protocol):
    """Finds the most similar vectors of one gallery."""

    about: str
    """What it is, in a line: engine, kind, what was probed and re-ranked."""

    def search(self, queries: Float32[np.ndarray, "queries width"], k: int) -> Neighbours:
        """Unit vectors -> their neighbours.

        Raises:
            ValueError: k above the number of vectors that can be found, or another width.
        """
        ...

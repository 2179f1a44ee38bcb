"""Queries from a file of embeddings, and answers without near duplicates."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from mindeye.retrieval.gallery.engine import Neighbours, VectorIndex

# Lengths of vectors that were stored as float16 differ from 1 by less.
UNIT_TOLERANCE = 1e-2
# A search that looks for distinct vectors asks for so many times more at each attempt.
GROWTH = 4


class Queries(NamedTuple):
    """Unit vectors, and what had to be done to make them so."""

    vectors: Float32[np.ndarray, "queries width"]
    note: str | None


def read_queries(path: Path, width: int, most: int | None = None) -> Queries:
    """One embedding, or one a row, of an .npy file.

    Args:
        most: so many of them, from the first; None: all.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a plain array of numbers, another width, or a vector of length zero.
        FloatingPointError: NaN or infinity.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file. Give embeddings as an .npy file.")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read as an .npy file of numbers ({error}). Pickled files are never "
            "opened: save it again with `numpy.save`."
        ) from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        kind = getattr(array, "dtype", "several arrays")
        raise ValueError(f"{path} holds {kind}, not embeddings. Give floating-point numbers.")
    if array.ndim not in (1, 2) or array.shape[-1] != width or not array.size:
        raise ValueError(
            f"{path} has shape {array.shape}, but the gallery's vectors have {width} numbers. Give "
            f"({width},) or (queries, {width}), embedded by the gallery's own network."
        )
    return unit_queries(np.array(array.reshape(-1, width)[:most], dtype=np.float64), str(path))


def unit_queries(vectors: Float[np.ndarray, "queries width"], name: str) -> Queries:
    """Vectors of any length -> unit vectors.

    Raises:
        ValueError: a vector of length zero.
        FloatingPointError: NaN or infinity.
    """
    bad = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(bad):
        raise FloatingPointError(
            f"{len(bad)} of {len(vectors)} vectors of {name} hold NaN or infinity, first at "
            f"positions {bad[:5].tolist()}. Look at the network that made them."
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(
            f"{name} has a vector of length zero at position {int(lengths.argmin())}. "
            "It has no direction to search in."
        )
    note = None
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE:
        note = (
            f"The vectors of {name} have lengths from {lengths.min():.3g} to {lengths.max():.3g}; "
            "they were brought to length 1."
        )
    return Queries((vectors / lengths).astype(np.float32), note)


def first_of_alike(
    vectors: Float32[np.ndarray, "found width"], above: float
) -> Int[np.ndarray, "distinct"]:
    """Places of the vectors that are not nearly equal to one that is kept before them."""
    kept: list[int] = []
    for place, vector in enumerate(vectors):
        if not kept or (vectors[kept] @ vector).max() <= above:
            kept.append(place)
    return np.array(kept, dtype=np.int64)


def distinct_neighbours(
    index: VectorIndex,
    queries: Float32[np.ndarray, "queries width"],
    k: int,
    *,
    above: float,
    most: int,
    vectors: Callable[[Int[np.ndarray, "rows"]], Float32[np.ndarray, "rows width"]],
) -> list[Neighbours]:
    """Of each query at most k neighbours, of which no two have a cosine above `above`.

    Fewer where not so many distinct ones are among `GROWTH` ** 3 times k, or the whole gallery.

    Args:
        most: vectors that can be found.
        vectors: gallery rows -> their vectors.
    """
    return [
        _distinct(index, one, k, above=above, most=most, vectors=vectors)
        for one in queries[:, None]
    ]


def _distinct(index, query, k, *, above, most, vectors) -> Neighbours:
    for power in range(4):
        asked = min(k * GROWTH**power, most)
        scores, rows = (one[0] for one in index.search(query, asked))
        places = first_of_alike(vectors(rows), above)[:k]
        if len(places) == k or asked == most:
            break
    return Neighbours(scores[None, places], rows[None, places])

"""Files of embeddings that others made: opened without trust, read once from end to end."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Float64, Int

from mindeye.files import fingerprint_of, require_whole, sha256_of
from mindeye.retrieval.gallery.sources.row_file import row_file

# Vectors that are read at once: at 768 numbers each, 25 MB of float16.
BLOCK = 16_384
# float16 rounds the norm of a unit vector by less than this.
NORM_TOLERANCE = 0.01
QUICK = "quick:"
"""Stands before a fingerprint that stands for a SHA-256."""
_QUICK_ROWS = 4096

# Shards of one network have nearly the same mean: CLIP's vectors lie in a narrow cone. Means
# shorter than this say nothing, and less alike than this they are not of one network.
CONE, SAME_CONE = 0.3, 0.3


@dataclass(frozen=True, kw_only=True)
class CheckedVectors:
    """What one pass over a file has found."""

    count: int
    width: int
    checksum: str
    not_finite: Int[np.ndarray, "_rows"]
    """Rows that hold NaN or infinity, or only zeros."""
    not_unit: int
    """Further rows whose length is not 1."""
    extreme_norm: float
    """The length furthest from 1."""
    mean: Float64[np.ndarray, "width"]
    """Of the finite vectors, each at length 1."""


def open_vectors(path: Path) -> np.memmap:
    """Maps a file of embeddings.

    Raises:
        FileNotFoundError: no such file.
        ValueError: pickled objects, cut off, not two-dimensional, or of another type of numbers.
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing. Restore it.") from error
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as plain numbers: {error}. "
            "Was it cut off? Fetch it again; what is built already is intact."
        ) from error
    if vectors.ndim != 2 or vectors.dtype not in (np.float16, np.float32) or not vectors.size:
        raise ValueError(
            f"{path} holds {vectors.dtype} of shape {vectors.shape}, not one float16 vector a row. "
            "Is it a file of embeddings?"
        )
    return vectors


def check_vectors(
    path: Path, *, quick: bool = False, progress: Callable[[int], None] | None = None
) -> CheckedVectors:
    """Reads a file once: checksum, norms, mean.

    Args:
        quick: only size and samples, for terabytes: misses what stands between them.
        progress: is told how many bytes of vectors have been read so far.

    Raises:
        ValueError: see `open_vectors`.
    """
    vectors = open_vectors(path)
    count, width = vectors.shape
    rows = np.unique(np.linspace(0, count - 1, _QUICK_ROWS).astype(int)) if quick else None
    digest, sums = hashlib.sha256(), np.zeros(width)
    if rows is None:
        with path.open("rb") as stream:
            digest.update(stream.read(vectors.offset))
    not_finite, not_unit, extreme, num_read = [], 0, 1.0, 0
    for start in range(0, count if rows is None else len(rows), BLOCK):
        require_whole(vectors)
        if rows is None:
            places = np.arange(start, min(count, start + BLOCK))
            raw = np.array(vectors[places[0] : places[-1] + 1])
            digest.update(raw.data)
        else:
            places = rows[start : start + BLOCK]
            raw = vectors[places]
        block = raw.astype(np.float32)
        lengths = np.linalg.norm(block, axis=1)
        usable = np.isfinite(lengths) & (lengths > 0)
        not_finite.append(places[~usable])
        lengths, block = lengths[usable], block[usable]
        not_unit += int((np.abs(lengths - 1) > NORM_TOLERANCE).sum())
        extreme = max([extreme, *_extremes(lengths)], key=lambda one: abs(one - 1))
        sums += (block / lengths[:, None]).sum(0, dtype=np.float64)
        num_read += raw.nbytes
        if progress is not None:
            progress(num_read)
    not_finite = np.concatenate(not_finite)
    return CheckedVectors(
        count=count,
        width=width,
        checksum=QUICK + fingerprint_of(path) if quick else digest.hexdigest(),
        not_finite=not_finite,
        not_unit=not_unit,
        extreme_norm=float(extreme),
        mean=sums / max(1, (count if rows is None else len(rows)) - len(not_finite)),
    )


def _extremes(lengths: Float32[np.ndarray, "_rows"]) -> list[float]:
    return [float(lengths.min()), float(lengths.max())] if len(lengths) else []


def require_same_network(
    path: Path, mean: Float64[np.ndarray, "width"], first: Float64[np.ndarray, "width"]
) -> None:
    """Refuses vectors that point where those of the first shard do not.

    Raises:
        ValueError: both means are long, and unlike each other.
    """
    length, first_length = np.linalg.norm(mean), np.linalg.norm(first)
    if min(length, first_length) < CONE:
        return
    cosine = float(mean @ first / (length * first_length))
    if cosine < SAME_CONE:
        raise ValueError(
            f"The mean vector of {path} has a cosine of {cosine:.2f} to that of the first shard; "
            "shards of one network are far more alike. Are these vectors of another model? "
            "Build a gallery of its own from them."
        )


def checksum_of(path: Path, like: str) -> str:
    """A file's checksum, made as `like` was: SHA-256, or the quick one."""
    return QUICK + fingerprint_of(path) if like.startswith(QUICK) else sha256_of(path)


def write_normalised(source: Path, path: Path) -> None:
    """Writes a float16 copy whose vectors have length 1; rows without a direction become zeros."""
    vectors = open_vectors(source)
    with row_file(path, vectors.shape[1:]) as copy:
        for start in range(0, len(vectors), BLOCK):
            copy.add(unit(vectors[start : start + BLOCK]))


def unit(vectors: np.ndarray) -> Float16[np.ndarray, "rows width"]:
    """Vectors at length 1; those without a direction become zeros."""
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    usable = np.isfinite(lengths) & (lengths > 0)
    return np.where(usable, wide / np.where(usable, lengths, 1), 0).astype(np.float16)

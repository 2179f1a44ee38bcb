"""Independent random numbers for each purpose, from one seed."""

import zlib

import numpy as np


def stream_of(seed: int, *purpose: str | int) -> np.random.Generator:
    """The random stream of a purpose: the same on every machine, whatever else was drawn."""
    words = [zlib.crc32(str(word).encode()) for word in purpose]
    return np.random.default_rng([seed, *words])

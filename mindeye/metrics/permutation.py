"""Nulls beside that of exchanged labels: whole runs exchanged, and signs of differences flipped."""

from itertools import product

import numpy as np
from jaxtyping import Float, Int

# Signs drawn at a time: 32 MB.
SIGN_BLOCK = 4_000_000
# 65,536 ways to flip the signs; beyond that they are drawn.
MOST_ENUMERATED = 16


def permuted_blocks(
    blocks: Int[np.ndarray, "trials"], rng: np.random.Generator
) -> Int[np.ndarray, "trials"]:
    """Partners of trials when whole blocks change places and keep their inner order.

    What neighbouring trials have in common stays in the null. Exact for blocks of equal length;
    with others a block's partner may span two, which keeps the order but not the borders. Few
    blocks have few orders (4 have 24), below whose inverse no p-value can be trusted.

    Args:
        blocks: block (run) of each trial, in the order of the scan.

    Raises:
        ValueError: fewer than two blocks, or a block in several pieces.
    """
    first = np.flatnonzero(np.diff(blocks, prepend=blocks[0] - 1))
    if len(first) != len(np.unique(blocks)):
        raise ValueError(
            f"{len(np.unique(blocks))} blocks stand in {len(first)} pieces. Give trials in the "
            "order of the scan, with a number of its own for each run of each session."
        )
    if len(first) < 2:
        raise ValueError(
            f"{len(blocks)} trials of one block cannot change places as a whole. "
            "Give the run of each trial, or exchange single labels with `permutation_null`."
        )
    pieces = np.split(np.arange(len(blocks)), first[1:])
    return np.concatenate([pieces[piece] for piece in rng.permutation(len(pieces))])


def sign_flip_null(
    differences: Float[np.ndarray, "images columns"],
    rng: np.random.Generator,
    *,
    permutations: int = 10_000,
) -> Float[np.ndarray, "permutations columns"]:
    """Mean differences of two systems if either were the better one of each image by chance.

    All columns have the same images flipped, so that their nulls can be compared.
    """
    num_images = len(differences)
    block, parts = max(1, SIGN_BLOCK // num_images), []
    for start in range(0, permutations, block):
        size = (min(block, permutations - start), num_images)
        signs = rng.integers(0, 2, size=size, dtype=np.int8) * 2.0 - 1.0
        parts.append(signs @ differences / num_images)
    return np.concatenate(parts)


def sign_flip_p(values: Float[np.ndarray, "subjects"]) -> float:
    """Two-sided p of a mean that differs from 0, over all ways to flip the subjects' signs.

    It cannot fall below `sign_flip_floor`, whatever the values.

    Raises:
        ValueError: no value, or too many to enumerate.
    """
    if not 1 <= len(values) <= MOST_ENUMERATED:
        raise ValueError(
            f"Signs of {len(values)} subjects cannot be enumerated. Give 1 to {MOST_ENUMERATED} "
            "values, or draw signs with `sign_flip_null`."
        )
    signs = np.array(list(product((1.0, -1.0), repeat=len(values))))
    sums = np.abs(signs @ np.asarray(values, dtype=np.float64))
    # Sums of the same terms in another order differ by rounding.
    return float((sums >= sums[0] - 1e-12 * np.abs(values).sum()).mean())


def sign_flip_floor(num_subjects: int) -> float:
    """The smallest two-sided p that flipping signs can give: all subjects on one side."""
    return 2.0 ** (1 - num_subjects)

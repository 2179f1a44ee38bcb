"""Identification among a few known images, trial by trial, with a permutation null.

Every score is a table (trials, images): what a trial would score if it had shown that image. The
trial's own column is its score; a permutation of labels only picks other columns.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

Likeness = Float[np.ndarray, "trials images"]
Labels = Int[np.ndarray, "trials"]


def two_way_table(likeness: Likeness) -> Likeness:
    """Share of the other images to which a trial is less alike; ties count as misses."""
    below = (likeness[:, None, :] < likeness[:, :, None]).sum(-1)
    return below / (likeness.shape[1] - 1)


def top1_table(likeness: Likeness) -> Likeness:
    """1 where an image is the only one most like the trial."""
    best = likeness == likeness.max(axis=1, keepdims=True)
    return (best & (best.sum(axis=1, keepdims=True) == 1)).astype(np.float64)


def mean_of_images(
    values: Float[np.ndarray, "trials"], image_ids: Labels
) -> Float[np.ndarray, "images"]:
    """Mean over the trials of each image that occurs, ascending."""
    _, rows = np.unique(image_ids, return_inverse=True)
    return np.bincount(rows, weights=values) / np.bincount(rows)


def permuted_labels(image_ids: Labels, groups: Labels, rng: np.random.Generator) -> Labels:
    """Exchanges the images of each group (session, run) among each other.

    All trials of an image in a group get the same new label, so repeats stay repeats, and what is
    common to a group (its images' kind, its baseline) cannot make the null too easy to beat.
    """
    labels = np.empty_like(image_ids)
    for group in np.unique(groups):
        members = groups == group
        known, rows = np.unique(image_ids[members], return_inverse=True)
        labels[members] = rng.permutation(known)[rows]
    return labels


def closed_set_null(
    tables: Mapping[str, Likeness],
    image_ids: Labels,
    groups: Labels,
    rng: np.random.Generator,
    permutations: int = 1000,
) -> dict[str, Float[np.ndarray, "permutations"]]:
    """Scores of every table under the same permutations: the mean over images of trial means."""
    trials = np.arange(len(image_ids))
    null = {name: np.empty(permutations) for name in tables}
    for index in range(permutations):
        labels = permuted_labels(image_ids, groups, rng)
        for name, table in tables.items():
            null[name][index] = mean_of_images(table[trials, labels], labels).mean()
    return null

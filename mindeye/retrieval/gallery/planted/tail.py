"""Accuracy among more distractors than there are, from the tail of their similarities.

Assumptions, which are all that an extrapolation rests on: further distractors come from the same
population, independently; and similarities above a high threshold follow a generalised Pareto
distribution (as those of nearly all populations do in the limit: Pickands 1975), of one shape for
all images. `predicted_accuracy` can be tried on a part of the gallery whose whole is known;
no extrapolation should go further, in factors, than such a trial has.
"""

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.stats import poisson

# Fewer exceedances than this tell nothing of a shape.
FEWEST = 50


def survival_beyond(
    tail: Float[np.ndarray, "images tail"], scores: Float[np.ndarray, "images"]
) -> Float64[np.ndarray, "images"]:
    """Of each image, the share of exceedances of its lowest tail value that also exceed a score.

    Scales are each image's own; the shape is one for all: of its own, an image's far tail would be
    known within orders of magnitude only. Fitted by probability-weighted moments.

    Raises:
        ValueError: too few similarities, or equal ones.

    Source: Hosking and Wallis 1987, Technometrics 29(3), whose sign of the shape this has.
    """
    count = tail.shape[1] - 1
    if count < FEWEST:
        raise ValueError(f"{count} similarities tell no tail. Give at least {FEWEST + 1}.")
    ordered = np.sort(tail.astype(np.float64), axis=1)
    threshold = ordered[:, 0]
    excess = ordered[:, 1:] - ordered[:, :1]
    mean = excess.mean(1)
    if not mean.all():
        raise ValueError("All similarities of a tail are equal: they tell no tail.")
    weights = 1 - (np.arange(1, count + 1) - 0.35) / count
    weighted = ((excess * weights).mean(1) / mean).mean()
    shape = 1 / (1 - 2 * weighted) - 2
    beyond = (scores - threshold).clip(0) / (mean * (1 + shape))
    if abs(shape) < 1e-6:
        return np.exp(-beyond)
    return (1 - shape * beyond).clip(0) ** (1 / shape)


def rival_shares(
    rivals: Int64[np.ndarray, "images"],
    others: Int64[np.ndarray, "images"],
    tail: Float[np.ndarray, "images tail"],
    scores: Float[np.ndarray, "images"],
) -> Float64[np.ndarray, "images"]:
    """Probability that one more distractor beats the picture.

    Counted where the picture stands below the tail, else by the tail's fit.
    """
    threshold = tail.min(1)
    fitted = survival_beyond(tail, scores) * (tail.shape[1] - 1) / others
    return np.where(scores > threshold, fitted, rivals / others)


def predicted_accuracy(
    shares: Float[np.ndarray, "images"], drawn: float, top: int
) -> Float64[np.ndarray, "images"]:
    """Probability that fewer than `top` of so many independent distractors beat each picture."""
    return poisson.cdf(top - 1, shares * drawn)


def thinned(
    ranks_tail: Float[np.ndarray, "images tail"], share: float, rng: np.random.Generator, keep: int
) -> Float[np.ndarray, "images kept"]:
    """The tail of a random part of the distractors: each is in it with probability `share`.

    Raises:
        ValueError: the whole tail is too short for it.
    """
    chosen = rng.random(ranks_tail.shape) < share
    kept = np.where(chosen, ranks_tail, -np.inf)
    found = -np.sort(-kept, axis=1)[:, :keep]
    if not np.isfinite(found).all():
        raise ValueError(
            f"A tail of {ranks_tail.shape[1]} is too short to be thinned to {keep} by {share:g}."
        )
    return found

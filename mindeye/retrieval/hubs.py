"""Hubs: items that win many queries, as happens in spaces of many dimensions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

MOST_WON = 10


class Hubs(NamedTuple):
    """How unevenly the items of a pool win queries.

    A perfect decoder lets every item win once; one that is random but fair as in `fair_hubs`.
    """

    share_of_ten: float
    """Of the queries that the ten most-won items win."""
    skewness: float
    """Of the win counts; 0 where all are equal."""
    never: float
    """Share of the items that win no query."""


def win_counts(similarity: Float[Tensor, "queries items"]) -> Int[np.ndarray, "items"]:
    """How many queries each item wins; of equal ones the first does."""
    winners = similarity.argmax(1).cpu().numpy()
    return np.bincount(winners, minlength=similarity.shape[1])


def hubs_of(wins: Int[np.ndarray, "items"]) -> Hubs:
    """Hub statistics of win counts.

    Source: Radovanovic, Nanopoulos and Ivanovic 2010: skewness of k-occurrences, here k = 1.
    """
    most = np.sort(wins)[::-1][:MOST_WON]
    spread = wins.std()
    third = ((wins - wins.mean()) ** 3).mean()
    return Hubs(
        share_of_ten=float(most.sum() / wins.sum()),
        skewness=float(third / spread**3) if spread > 0 else 0.0,
        never=float((wins == 0).mean()),
    )


def fair_hubs(num_queries: int, num_items: int, rng: np.random.Generator, draws: int = 500) -> Hubs:
    """The mean if every query were won by an item drawn at random."""
    counts = rng.multinomial(num_queries, np.full(num_items, 1 / num_items), size=draws)
    return Hubs(*np.mean([hubs_of(one) for one in counts], axis=0).tolist())

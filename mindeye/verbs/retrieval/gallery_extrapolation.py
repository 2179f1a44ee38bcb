"""Accuracy among more distractors than a gallery has, tried on parts of it first."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mindeye.retrieval.gallery.planted.planted import LEFT_OUT, PlantedRanks, planted_accuracy
from mindeye.retrieval.gallery.planted.tail import (
    FEWEST,
    predicted_accuracy,
    rival_shares,
    thinned,
)

RESAMPLES = 500
FACTORS = (10, 100)
# At most this part of the distractors makes the tail.
TAIL_SHARE = 0.01
WORST = 0.05
"""A trial that was wrong by more allows no extrapolation by its factor."""


@dataclass(frozen=True, kw_only=True)
class ExtrapolatedRow:
    """One accuracy that was not measured; the interval holds images and tails resampled."""

    distractors: int
    top: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a part of the gallery foretold of the whole."""

    factor: int
    top: int
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        return abs(self.predicted - self.measured)


@dataclass(frozen=True, kw_only=True)
class Extrapolation:
    """Rows beyond the gallery, and on what they rest."""

    rows: Sequence[ExtrapolatedRow]
    trials: Sequence[Trial]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": [asdict(row) for row in self.rows],
            "trials": [asdict(trial) for trial in self.trials],
            "notes": list(self.notes),
        }


def extrapolated(
    ranks: PlantedRanks, tops: Sequence[int], rng: np.random.Generator
) -> Extrapolation:
    """As many times more distractors as a trial from as small a part of them has come right.

    A trial takes a random 1/10 or 1/100 of the distractors and foretells accuracy among all from
    them alone. Where every trial of a factor is within 0.05, accuracy is extrapolated by it.
    """
    rivals, others = ranks.counted(LEFT_OUT)
    fewest = int(others.min())
    # A trial's tail is drawn from one twice as long: no similarity of it is missing then.
    most = min(int(TAIL_SHARE * fewest), ranks.tail.shape[1] // 2)
    trials, allowed = [], []
    for factor in FACTORS:
        length = most // factor
        if length <= FEWEST:
            break
        found = _trials(ranks, tops, factor, length, rng)
        trials += found
        if max(one.error for one in found) > WORST:
            break
        allowed.append(factor)
    if not allowed:
        return Extrapolation(rows=(), trials=trials, notes=(_refusal(trials, fewest),))
    tail = ranks.tail[:, :most]
    rows = [
        _row(rivals, others, tail, ranks.own_scores, fewest * factor, top, rng)
        for factor in allowed
        for top in tops
    ]
    worst = max(one.error for one in trials if one.factor in allowed)
    note = (
        f"extrapolated to {allowed[-1]} times the gallery, no further: further distractors are "
        "taken to come from the same population, and the highest similarities to be generalised "
        f"Pareto; from 1/{allowed[-1]} of this gallery the whole was foretold within "
        f"{worst:.3f}."
    )
    return Extrapolation(rows=rows, trials=trials, notes=(note,))


def _refusal(trials: Sequence[Trial], fewest: int) -> str:
    if not trials:
        return f"not extrapolated: {fewest:,} distractors are too few to try it on a part of them."
    worst = max(trials, key=lambda one: one.error)
    return (
        f"not extrapolated: from 1/{worst.factor} of this gallery, top-{worst.top} of the whole "
        f"was foretold as {worst.predicted:.3f} and is {worst.measured:.3f}."
    )


def _trials(
    ranks: PlantedRanks, tops: Sequence[int], factor: int, length: int, rng: np.random.Generator
) -> list[Trial]:
    rivals, others = ranks.counted(LEFT_OUT)
    part_of = others // factor
    part = thinned(ranks.tail, 1 / factor, rng, length)
    seen = rng.binomial(rivals, 1 / factor)
    shares = rival_shares(seen, part_of, part, ranks.own_scores)
    return [
        Trial(
            factor=factor,
            top=top,
            predicted=float(predicted_accuracy(shares, float(others.min()), top).mean()),
            measured=float(planted_accuracy(rivals, others, None, top).mean()),
        )
        for top in tops
    ]


def _row(
    rivals: np.ndarray,
    others: np.ndarray,
    tail: Float[np.ndarray, "images tail"],
    scores: Float[np.ndarray, "images"],
    distractors: int,
    top: int,
    rng: np.random.Generator,
) -> ExtrapolatedRow:
    def accuracy(images: np.ndarray, of_tail: Float[np.ndarray, "images tail"]) -> float:
        shares = rival_shares(rivals[images], others[images], of_tail, scores[images])
        return float(predicted_accuracy(shares, float(distractors), top).mean())

    every = np.arange(len(scores))
    drawn = []
    for _ in range(RESAMPLES):
        images = rng.integers(len(scores), size=len(scores))
        # The threshold stays: it is which similarities lie above it that chance decides.
        places = rng.integers(tail.shape[1] - 1, size=tail.shape[1] - 1)
        again = np.concatenate([tail[images][:, places], tail[images, -1:]], 1)
        drawn.append(accuracy(images, again))
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = accuracy(every, tail)
    return ExtrapolatedRow(
        distractors=distractors, top=top, value=value, low=float(low), high=float(high)
    )

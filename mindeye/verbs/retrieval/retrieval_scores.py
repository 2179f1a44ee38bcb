"""Retrieval of one subject by one system: numbers with interval and null, floors and ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mindeye.metrics.bootstrap import bootstrap_intervals
from mindeye.metrics.statistics import Interval, permutation_p
from mindeye.retrieval.accuracy import PUBLISHED_NAMES
from mindeye.retrieval.near_duplicates import nearest_in_blocks
from mindeye.retrieval.pools import DrawnPools, drawn_tally
from mindeye.retrieval.rank_scores import DIRECTIONS, RankScore, label_nulls, rank_scores
from mindeye.retrieval.similarity import similarity_matrix
from mindeye.types import MetricRow
from mindeye.verbs.retrieval.retrieval_pairing import RIVALS_OF, Pairing

CEILING, NEAREST, SHUFFLED = (
    "ceiling: true embeddings",
    "floor: nearest training image",
    "floor: shuffled scans",
)


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    """A row with its null of exchanged labels or runs."""

    system: str
    """Without the subject, which stands in the row's own system."""
    subject: int | None
    row: MetricRow
    null: Interval | None = None
    """Mean, and where 95 % of the permutations lie."""
    p: float | None = None
    q: float | None = None
    """p adjusted over all scores of the benchmark, or all differences (Benjamini and Hochberg)."""


def judged_rows(pairing: Pairing) -> list[JudgedRow]:
    """Every score of a direction, then its drawn pools as published; both directions."""
    values = {
        f"{direction} {score.name}": score.of_rivals[pairing.rivals[direction]]
        for direction in DIRECTIONS
        for score in pairing.scores
    }
    medians = [name for name in values if " median " in name]
    how = {"resamples": pairing.settings.resamples}
    intervals = bootstrap_intervals(values, pairing.rng(0), medians=medians, **how)
    nulls = label_nulls(
        pairing.similarity,
        pairing.scores,
        pairing.rng(1),
        pairing.settings.permutations,
        pairing.partners,
    )
    rows = []
    for direction in DIRECTIONS:
        for at, score in enumerate(pairing.scores):
            name = f"{direction} {score.name}"
            null = nulls[direction][:, at]
            row = _row(pairing, direction, score, intervals[name])
            p = permutation_p(row.value, null, better=score.better)
            rows.append(_judged(pairing, row, null=_spread(null), p=p))
        rows += _drawn_rows(pairing, direction)
    return rows


def control_rows(pairing: Pairing) -> list[MetricRow]:
    """Floors and ceiling of top-1, beside the null that every row has."""
    pairs = pairing.source.pairs
    systems = {CEILING: similarity_matrix(pairs.images, pairs.images)}
    if pairs.training is not None:
        found = nearest_in_blocks(pairs.brain, pairs.training.blocks()).row
        # Many scans share a training image: each is read once.
        rows, place = np.unique(found, return_inverse=True)
        drawn = pairs.training.read(rows)[torch.from_numpy(place)]
        systems[NEAREST] = similarity_matrix(drawn, pairs.images)
    # Whatever tops are asked for, so that every benchmark has its floors.
    top1 = rank_scores(pairing.num_images, pairing.sizes, (1,))
    top1 = [score for score in top1 if score.name.startswith("top-1 ")]
    rows = []
    for system, similarity in systems.items():
        values = {
            f"{direction} {score.name}": score.of_rivals[rivals_of(similarity)]
            for direction, rivals_of in RIVALS_OF.items()
            for score in top1
        }
        found = bootstrap_intervals(values, pairing.rng(2), resamples=pairing.settings.resamples)
        for direction in DIRECTIONS:
            for score in top1:
                interval = found[f"{direction} {score.name}"]
                rows.append(_row(pairing, direction, score, interval, control=system))
    return rows


def shuffled_row(judged: JudgedRow) -> MetricRow | None:
    """The null as a floor: its mean, and where 95 % of the permutations lie."""
    if judged.null is None:
        return None
    row = judged.row
    numbers = {**judged.null._asdict(), "n": row.n, "chance": row.chance}
    system = f"{SHUFFLED} ({row.system})"
    return MetricRow(system=system, metric=row.metric, better=row.better, **numbers)


def _drawn_rows(pairing: Pairing, direction: str) -> list[JudgedRow]:
    """Top-1 in pools drawn as published, if any; the interval is over images, not over draws."""
    size = pairing.settings.drawn_size(pairing.num_images)
    if size is None:
        return []
    quirks = pairing.source.quirks
    drawn = DrawnPools(
        seed=pairing.settings.seed,
        contiguous="contiguous_pools" in quirks,
        count=pairing.settings.draws,
    )
    pools = drawn.of_size(size, pairing.num_images)
    values = drawn_tally(pairing.similarity, RIVALS_OF[direction], pools).contributions
    how = {"resamples": pairing.settings.resamples}
    (interval,) = bootstrap_intervals({"one": values}, pairing.rng(3), **how).values()
    kind = "contiguous" if drawn.contiguous else "drawn"
    row = MetricRow(
        system=pairing.source.label,
        metric=f"{direction} top-1 of {size} in {drawn.count} {kind} pools"
        + published_label(direction, quirks),
        value=interval.value,
        # The linearised values of some resamples exceed what a share can be.
        low=max(interval.low, 0.0),
        high=min(interval.high, 1.0),
        n=len(values),
        chance=1 / size,
        better="higher",
    )
    return [_judged(pairing, row)]


def _judged(pairing: Pairing, row: MetricRow, **tested) -> JudgedRow:
    return JudgedRow(
        system=pairing.source.system, subject=pairing.source.subject, row=row, **tested
    )


def _row(
    pairing: Pairing,
    direction: str,
    score: RankScore,
    interval: Interval,
    control: str | None = None,
) -> MetricRow:
    source = pairing.source
    return MetricRow(
        system=source.label if control is None else f"{control} ({source.label})",
        metric=f"{direction} {score.name}" + published_label(direction, source.quirks),
        value=interval.value,
        low=interval.low,
        high=interval.high,
        n=pairing.num_images,
        chance=score.chance,
        better=score.better,
    )


def published_label(direction: str, quirks: Sequence[str]) -> str:
    """What stands beside a direction's right name where published labels are asked for."""
    if "exchanged_labels" not in quirks:
        return ""
    return f' (published as "{PUBLISHED_NAMES[direction][1]}")'


def _spread(null: Float[np.ndarray, "permutations"]) -> Interval:
    low, high = np.quantile(null, [0.025, 0.975])
    return Interval(float(null.mean()), float(low), float(high))

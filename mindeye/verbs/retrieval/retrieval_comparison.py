"""Systems against each other on the same images, and from subjects to a group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from mindeye.metrics.bootstrap import bca_ends, resampled_means
from mindeye.metrics.group_level import GroupResult, SubjectResult, group_result
from mindeye.metrics.multiple_comparisons import false_discovery_q
from mindeye.metrics.permutation import sign_flip_null
from mindeye.metrics.statistics import permutation_p, proportion_interval
from mindeye.retrieval.rank_scores import DIRECTIONS, RankScore
from mindeye.types import MetricRow
from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings
from mindeye.verbs.retrieval.retrieval_scores import JudgedRow, published_label


@dataclass(frozen=True, kw_only=True)
class ScoredSubject:
    """What is kept of one subject and system when its embeddings are let go."""

    system: str
    subject: int | None
    label: str
    image_ids: Int[np.ndarray, "images"]
    rivals: Mapping[str, Int[np.ndarray, "images"]]
    """Of each image, by direction."""
    scores: Sequence[RankScore]
    rows: Sequence[JudgedRow]
    controls: Sequence[MetricRow]
    curve: Mapping
    hubs: Mapping
    near_duplicates: Mapping
    about: Mapping
    quirks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """One metric of one system, or of the difference of two, over its subjects."""

    system: str
    result: GroupResult


def adjusted(rows: Sequence[JudgedRow]) -> list[JudgedRow]:
    """The same with q: p over all these rows together; rows without p stay as they are."""
    known = [at for at, one in enumerate(rows) if one.p is not None]
    found = list(rows)
    if known:
        q_values = false_discovery_q(np.array([rows[at].p for at in known])).tolist()
        for at, q in zip(known, q_values, strict=True):
            found[at] = replace(rows[at], q=q)
    return found


def difference_rows(
    first: ScoredSubject, second: ScoredSubject, settings: BenchmarkSettings
) -> list[JudgedRow]:
    """Mean differences on the same images; p is two-sided, by flipped signs.

    The median rank has no mean difference and is left to the mean reciprocal rank. Where no image
    differs, the interval is what so many images without a difference allow.

    Raises:
        ValueError: other test images.
    """
    _require_same_images(first, second)
    names = [(way, score) for way in DIRECTIONS for score in first.scores if not score.median]
    values = np.stack([_difference(first, second, *one) for one in names], axis=1)
    seed = [settings.seed, first.subject or 0]
    resampled = resampled_means(values, np.random.default_rng([*seed, 7]), settings.resamples)
    low, high = bca_ends(values, resampled)
    same = (values == 0).all(0)
    unseen = proportion_interval(0, len(values)).high
    low[same], high[same] = -unseen, unseen
    rng = np.random.default_rng([*seed, 8])
    null = sign_flip_null(values, rng, permutations=settings.permutations)
    rows, system = [], f"{first.system} minus {second.system}"
    for at, (direction, score) in enumerate(names):
        value = float(values[:, at].mean())
        row = MetricRow(
            system=f"{first.label} minus {second.system}",
            metric=f"{direction} {score.name}{published_label(direction, first.quirks)}",
            value=value,
            low=float(low[at]),
            high=float(high[at]),
            n=len(values),
            chance=0.0,
            better="higher",
        )
        # Sums of the same terms in another order differ by rounding.
        p = permutation_p(abs(value) - 1e-12, np.abs(null[:, at]))
        rows.append(JudgedRow(system=system, subject=first.subject, row=row, p=p))
    return rows


def compared(
    scored: Sequence[ScoredSubject], settings: BenchmarkSettings
) -> dict[str, list[JudgedRow]]:
    """Name of each difference -> its rows: the first system minus each other, by subject."""
    first = scored[0].system
    of_first = {one.subject: one for one in scored if one.system == first}
    found: dict[str, list[JudgedRow]] = {}
    for other in scored:
        if other.system != first and other.subject in of_first:
            rows = difference_rows(of_first[other.subject], other, settings)
            found.setdefault(f"{first} minus {other.system}", []).extend(rows)
    return found


def groups_of(
    rows_of: Mapping[str, Sequence[JudgedRow]], *, claim: str, share: bool = True
) -> Iterator[Group]:
    """Each metric that every subject of a system has, for systems of two or more subjects.

    Args:
        claim: what a subject's test says where it passes.
        share: whether values lie between 0 and 1 (not differences), but for the median rank.
    """
    for system, rows in rows_of.items():
        tested = [one for one in rows if one.p is not None and one.subject is not None]
        subjects = {one.subject for one in tested}
        for metric in dict.fromkeys(one.row.metric for one in tested):
            members = [one for one in tested if one.row.metric == metric]
            if len(members) < 2 or len(members) != len(subjects):
                continue
            ranks = (1.0, np.inf) if " median " in metric else (0.0, 1.0)
            result = group_result(
                [
                    SubjectResult(
                        subject=one.subject, row=one.row, p=one.p if _ahead(one.row) else 1.0
                    )
                    for one in members
                ],
                limits=ranks if share else (-1.0, 1.0),
                claim=claim,
            )
            mean = replace(result.rows[-1], system=f"{system}, {result.rows[-1].system}")
            yield Group(system=system, result=replace(result, rows=[*result.rows[:-1], mean]))


def _ahead(row: MetricRow) -> bool:
    """Whether a value lies on the better side of chance: a two-sided p does not tell."""
    return row.value > row.chance if row.better == "higher" else row.value < row.chance


def _difference(
    first: ScoredSubject, second: ScoredSubject, direction: str, score: RankScore
) -> Float[np.ndarray, "images"]:
    return score.of_rivals[first.rivals[direction]] - score.of_rivals[second.rivals[direction]]


def _require_same_images(first: ScoredSubject, second: ScoredSubject) -> None:
    alone = np.setxor1d(first.image_ids, second.image_ids)
    if len(alone):
        raise ValueError(
            f"{first.label} has {len(first.image_ids)} test images and {second.label} "
            f"{len(second.image_ids)}; {len(alone)} are only in one of both, first id "
            f"{int(alone[0])}. Compare systems on the same test images."
        )

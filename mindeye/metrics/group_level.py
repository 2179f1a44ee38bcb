"""From subjects to a group: each subject first, then what so few subjects allow to say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from mindeye.metrics.permutation import MOST_ENUMERATED, sign_flip_floor, sign_flip_p
from mindeye.metrics.statistics import Interval, proportion_interval
from mindeye.types import MetricRow


@dataclass(frozen=True, kw_only=True)
class SubjectResult:
    """One subject's value of one metric, tested within that subject's images."""

    subject: int
    row: MetricRow
    """With its interval over images."""
    p: float
    """One-sided, against chance or against another system."""


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """Subjects first, their mean last, and what may be claimed of the group."""

    rows: list[MetricRow]
    text: str
    """Count, prevalence, mean, and p over subjects where it can say anything."""
    limit: str
    """What so few subjects cannot show; the same for all metrics of as many."""
    passed: int
    """Subjects whose own test passed."""
    prevalence: Interval
    """Of `passed`: the exact interval of the share of people for whom it would."""
    sign_flip: float
    """Two-sided p over all flips of the subjects' signs."""
    sign_flip_floor: float
    """The smallest that p could be with so many subjects."""


def group_result(
    results: Sequence[SubjectResult],
    *,
    alpha: float = 0.05,
    limits: tuple[float, float] = (-np.inf, np.inf),
    claim: str = "better than chance",
) -> GroupResult:
    """Rows and sentences for one metric of one system over its subjects.

    Args:
        claim: what each subject's own test says where it passes.
        limits: what the metric cannot leave; cuts the interval of the mean.

    Raises:
        ValueError: a subject stands twice, rows of several metrics, or no chance to compare with.
    """
    _require_one_metric(results)
    rows = [one.row for one in results]
    values = np.array([row.value for row in rows])
    beyond = values - np.array([row.chance for row in rows])
    passed = int(sum(one.p < alpha for one in results))
    prevalence = proportion_interval(passed, len(rows))
    floor = sign_flip_floor(len(rows))
    p = sign_flip_p(beyond) if len(rows) <= MOST_ENUMERATED else float("nan")
    count = _count_text(passed, prevalence, alpha, len(rows))
    text = f"{rows[0].metric}: {claim} in {count}"
    if len(rows) > 1:
        mean = mean_of_subjects(rows, limits)
        text += f" {_mean_text(mean, values)}"
        if floor < alpha and np.isfinite(p):
            text += f" Sign-flip test over subjects: p = {p:.2g}."
        rows = [*rows, mean]
    return GroupResult(
        rows=rows,
        text=text,
        limit=limit_text(len(results), alpha),
        passed=passed,
        prevalence=prevalence,
        sign_flip=p,
        sign_flip_floor=floor,
    )


def mean_of_subjects(
    rows: Sequence[MetricRow], limits: tuple[float, float] = (-np.inf, np.inf)
) -> MetricRow:
    """The mean of two or more subjects with Student's t interval; `n` counts subjects.

    A bootstrap over four subjects would be too narrow: it holds the truth four times in five.
    """
    values = np.array([row.value for row in rows])
    half = stdtrit(len(rows) - 1, 0.975) * standard_error(values)
    first = rows[0]
    return MetricRow(
        system=f"mean of {len(rows)} subjects",
        metric=first.metric,
        value=float(values.mean()),
        low=float(max(values.mean() - half, limits[0])),
        high=float(min(values.mean() + half, limits[1])),
        n=len(rows),
        chance=first.chance if len({row.chance for row in rows}) == 1 else None,
        better=first.better,
    )


def limit_text(num_subjects: int, alpha: float = 0.05) -> str:
    """What no test over so few subjects can show."""
    if num_subjects == 1:
        return "One subject: intervals are over its images and say nothing of other people."
    floor = sign_flip_floor(num_subjects)
    limit = f"With {num_subjects} subjects no two-sided sign-flip test can fall below {floor:.3g}"
    if floor < alpha:
        return f"{limit}."
    return f"{limit}, so that none can reach {alpha:g}: rest on the count and on each subject."


def standard_error(values: np.ndarray) -> float:
    """Of the mean over subjects."""
    return float(values.std(ddof=1) / len(values) ** 0.5)


def _require_one_metric(results: Sequence[SubjectResult]) -> None:
    subjects = [one.subject for one in results]
    twice = sorted({subject for subject in subjects if subjects.count(subject) > 1})
    if twice or not results:
        raise ValueError(
            f"A group needs every subject once, but subject {twice[0]} stands twice."
            if twice
            else "A group of no subjects has no mean. Give one result a subject."
        )
    metrics = sorted({one.row.metric for one in results})
    if len(metrics) > 1 or any(one.row.chance is None for one in results):
        raise ValueError(
            f"Subjects are compared in one metric with a known chance, not in {metrics} with "
            f"{[one.row.chance for one in results]}. Give differences their chance, 0."
        )


def _count_text(passed: int, prevalence: Interval, alpha: float, total: int) -> str:
    count = f"{passed} of {total} (each p < {alpha:g} within)"
    if total == 1:
        return f"{count}."
    share = f"[{prevalence.low:.3f}, {prevalence.high:.3f}]"
    return f"{count}; the share of such people lies in {share}."


def _mean_text(mean: MetricRow, values: np.ndarray) -> str:
    return (
        f"Mean of subjects {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] (t interval, "
        f"{len(values) - 1} degrees of freedom; standard error {standard_error(values):.3f})."
    )

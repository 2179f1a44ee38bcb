"""`mindeye bench retrieval`: what finds images and brains how well, and how sure that is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mindeye.files import atomic_path, write_json
from mindeye.metrics.group_level import limit_text
from mindeye.report.page import write_report
from mindeye.report.retrieval_page import benchmark_content
from mindeye.report.retrieval_plots import saved_figures
from mindeye.report.tables import write_tsv
from mindeye.retrieval.rank_scores import DIRECTIONS
from mindeye.types import MetricRow
from mindeye.verbs.retrieval.retrieval_audit import hubs, near_duplicates, pool_curve
from mindeye.verbs.retrieval.retrieval_comparison import (
    Group,
    ScoredSubject,
    adjusted,
    compared,
    groups_of,
)
from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings, pairing_of
from mindeye.verbs.retrieval.retrieval_scores import (
    JudgedRow,
    control_rows,
    judged_rows,
    shuffled_row,
)
from mindeye.verbs.retrieval.retrieval_sources import RetrievalSource

BETTER, AHEAD = "better than chance", "the first system ahead"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """All that was measured."""

    settings: BenchmarkSettings
    scored: Sequence[ScoredSubject]
    rows: Sequence[JudgedRow]
    """Subjects in the order given, each with all its numbers."""
    differences: Sequence[JudgedRow]
    groups: Sequence[Group]
    difference_groups: Sequence[Group]
    controls: Sequence[MetricRow]

    @property
    def simulated(self) -> dict[str, Any] | None:
        """The banner, where any of the sources is simulated."""
        return next((one.about["simulated"] for one in self.scored if one.about["simulated"]), None)

    @property
    def ordered(self) -> list[JudgedRow]:
        """System by system, then differences: subjects first, their means last."""
        found = []
        for rows, groups in (
            (self.rows, self.groups),
            (self.differences, self.difference_groups),
        ):
            for system in dict.fromkeys(one.system for one in rows):
                found += [one for one in rows if one.system == system]
                means = [one.result.rows[-1] for one in groups if one.system == system]
                found += [JudgedRow(system=system, subject=None, row=row) for row in means]
        return found

    @property
    def texts(self) -> list[str]:
        """What may be claimed of groups, for top-1 of the largest pools."""
        chosen = {
            f"{direction} top-1 of {size}"
            for one in self.scored
            for direction in DIRECTIONS
            for size in (self.settings.drawn_size(len(one.image_ids)), len(one.image_ids))
        }
        return [
            f"{one.system}: {one.result.text}"
            for one in (*self.groups, *self.difference_groups)
            if one.result.rows[0].metric.partition(" (")[0] in chosen
        ]

    @property
    def limits(self) -> list[str]:
        """What so few subjects cannot show."""
        counts = [len(one.result.rows) - 1 for one in self.groups] or [1]
        return [limit_text(count) for count in sorted(set(counts))]


def benchmark(sources: Iterable[RetrievalSource], settings: BenchmarkSettings) -> Benchmark:
    """Measures every source; of each, only numbers are kept when the next is opened.

    Raises:
        ValueError, FloatingPointError: embeddings or pools that cannot be scored, or systems with
            other test images.
    """
    scored = [scored_subject(one, settings) for one in sources]
    if not scored:
        raise ValueError("There is nothing to measure. Give a run, or a file with --embeddings.")
    rows = adjusted([row for one in scored for row in one.rows])
    differences_of = compared(scored, settings)
    differences = adjusted([row for one in differences_of.values() for row in one])
    rows_of = {
        system: [row for one in scored if one.system == system for row in one.rows]
        for system in dict.fromkeys(one.system for one in scored)
    }
    nulls = [found for row in rows if (found := shuffled_row(row)) is not None]
    return Benchmark(
        settings=settings,
        scored=scored,
        rows=rows,
        differences=differences,
        groups=list(groups_of(rows_of, claim=BETTER)),
        difference_groups=list(groups_of(differences_of, claim=AHEAD, share=False)),
        controls=[*(row for one in scored for row in one.controls), *nulls],
    )


def scored_subject(source: RetrievalSource, settings: BenchmarkSettings) -> ScoredSubject:
    """Everything of one subject and system."""
    pairing = pairing_of(source, settings)
    return ScoredSubject(
        system=source.system,
        subject=source.subject,
        label=source.label,
        image_ids=source.pairs.image_ids,
        rivals=pairing.rivals,
        scores=pairing.scores,
        rows=judged_rows(pairing),
        controls=control_rows(pairing),
        curve=pool_curve(pairing),
        hubs=hubs(pairing),
        near_duplicates=near_duplicates(pairing),
        about=source.about,
        quirks=source.quirks,
    )


def save_benchmark(found: Benchmark, out: Path) -> None:
    """retrieval.json and .tsv, per_image.tsv, figures and a page, all in OUT."""
    content = as_json(found)
    simulated = found.simulated
    write_json(out / "retrieval.json", content)
    write_tsv(out / "retrieval.tsv", COLUMNS, _cells(found), simulated=simulated)
    columns = ("system", "subject", "image_id", *(f"{way} rank" for way in DIRECTIONS))
    write_tsv(out / "per_image.tsv", columns, _ranks(found), simulated=simulated)
    for name, png in saved_figures(content["subjects"]).items():
        with atomic_path(out / f"{name}.png") as temporary:
            temporary.write_bytes(png)
    page = benchmark_content(content, [one.row for one in found.ordered], found.controls)
    write_report(out / "report.html", page)


def as_json(found: Benchmark) -> dict[str, Any]:
    """All numbers under names of their own; `rows` as in retrieval.tsv."""
    return {
        "benchmark": "retrieval",
        "simulated": found.simulated,
        "settings": asdict(found.settings),
        "rows": [dict(zip(COLUMNS, one, strict=True)) for one in _cells(found)],
        "controls": [asdict(row) for row in found.controls],
        "texts": found.texts,
        "limits": found.limits,
        "groups": [_group_json(one) for one in (*found.groups, *found.difference_groups)],
        "subjects": [
            {
                "system": one.system,
                "subject": one.subject,
                "label": one.label,
                "num_images": len(one.image_ids),
                "quirks": list(one.quirks),
                "pool_curve": one.curve,
                "hubs": one.hubs,
                "near_duplicates": one.near_duplicates,
                "about": one.about,
            }
            for one in found.scored
        ],
    }


COLUMNS = (
    *("system", "subject", "metric", "value", "low", "high", "n", "chance", "better"),
    *("null_mean", "null_low", "null_high", "p", "q"),
)


def _cells(found: Benchmark) -> list[list[Any]]:
    return [
        [
            *(one.row.system, one.subject, one.row.metric, one.row.value, one.row.low),
            *(one.row.high, one.row.n, one.row.chance, one.row.better),
            *(one.null or (None,) * 3),
            *(one.p, one.q),
        ]
        for one in found.ordered
    ]


def _ranks(found: Benchmark) -> Iterable[Sequence[Any]]:
    for one in found.scored:
        ranks = [(one.rivals[way] + 1).tolist() for way in DIRECTIONS]
        for image_id, *both in zip(one.image_ids.tolist(), *ranks, strict=True):
            yield (one.system, one.subject, image_id, *both)


def _group_json(group: Group) -> dict[str, Any]:
    result = group.result
    enumerated = result.sign_flip == result.sign_flip
    return {
        "system": group.system,
        "metric": result.rows[0].metric,
        "text": result.text,
        "mean": asdict(result.rows[-1]),
        "limit": result.limit,
        "passed": result.passed,
        "subjects": len(result.rows) - 1,
        "prevalence": list(result.prevalence),
        "sign_flip_p": result.sign_flip if enumerated else None,
        "sign_flip_floor": result.sign_flip_floor,
    }

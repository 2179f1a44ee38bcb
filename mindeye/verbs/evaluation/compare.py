"""`mindeye compare A B C`: evaluations side by side, as a page, JSON, TSV, LaTeX and Markdown."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mindeye.files import holds_something, sha256_of, write_json, write_text
from mindeye.metrics.facts import METRIC_FACTS
from mindeye.report.banner import SIMULATED
from mindeye.report.comparison_plots import difference_intervals, scatters
from mindeye.report.comparison_tables import differences_table, systems_table
from mindeye.report.page import FigureSection, ReportContent, write_report
from mindeye.report.published import COLUMNS, EXCHANGED, MARKS, published_cells, published_rows
from mindeye.report.tables import rows_as_records, write_tsv
from mindeye.report.text_tables import TextTable, as_latex, as_markdown
from mindeye.run import versions
from mindeye.verbs.evaluation.comparison import Comparison, compared
from mindeye.verbs.evaluation.comparison_pictures import (
    mean_ranks,
    picture_grids,
    require_same_shown,
)
from mindeye.verbs.evaluation.evaluated import (
    Allowed,
    common_images,
    read_evaluated,
    require_comparable,
)

NAME = "comparison"
"""Of all files that are written, before their endings."""
INTERVALS = "95 % intervals: BCa bootstrap over images, the same resamples for all systems."
TESTS = (
    "Difference of means on the same images, with its BCa interval over images. p: two-sided, "
    "10,000 random flips of the sign of each image's difference; adjusted (Holm) over all metrics "
    "and pairs of this table. They say nothing of other subjects, trainings or seeds."
)


def compare_evaluations(
    given: Sequence[str],
    out: Path,
    *,
    allowed: Allowed,
    reference: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Compares what `mindeye evaluate` wrote; writes OUT/comparison.{html,json,tsv,md,tex}.

    Args:
        given: folders or evaluation.json, each perhaps as NAME=PATH.
        reference: the system that all others are compared with; None compares every pair.

    Raises:
        FileNotFoundError: no evaluation.
        LookupError: the reference is none of the systems.
        ValueError: what cannot be compared (see `require_comparable`), or OUT holds other things.
    """
    if holds_something(out) and not (out / f"{NAME}.json").is_file():
        raise ValueError(f"{out} is not empty and holds no comparison. Choose another folder.")
    systems = read_evaluated(given)
    require_comparable(systems, allowed)
    unseen = require_same_shown(systems, common_images(systems), seed)
    comparison = compared(systems, reference, seed, unseen)
    tables = tables_of(comparison)
    head = SIMULATED if comparison.simulated is not None else "Reconstructions, compared."
    write_report(out / f"{NAME}.html", _page(comparison, tables))
    write_text(out / f"{NAME}.md", as_markdown(tables, head))
    write_text(out / f"{NAME}.tex", as_latex(tables, head))
    _write_tsv(out / f"{NAME}.tsv", comparison)
    write_json(out / f"{NAME}.json", as_record(comparison))
    return comparison


def tables_of(comparison: Comparison) -> list[TextTable]:
    """Systems, differences, and what others published."""
    columns = [
        name for name in COLUMNS if name in {_column_of(row.metric) for row in comparison.rows}
    ]
    header, cells = published_cells(columns or COLUMNS)
    marks = "; ".join(f"{mark}: {meaning}" for mark, meaning in MARKS.items())
    published = TextTable(
        title="Published rows, for context",
        words=f"{_caution(comparison)} {EXCHANGED} Marks: {marks}.",
        header=header,
        rows=cells,
    )
    return [
        systems_table(comparison.rows, f"{_images(comparison)} {INTERVALS}"),
        differences_table(comparison.differences, comparison.better, TESTS),
        published,
    ]


def as_record(comparison: Comparison) -> dict[str, Any]:
    """For scripts: everything that the page says in numbers."""
    return {
        "simulated": comparison.simulated,
        "images": comparison.image_ids.tolist(),
        "rows": rows_as_records(comparison.rows),
        "differences": [one._asdict() for one in comparison.differences],
        "notes": list(comparison.notes),
        "seed": comparison.seed,
        "systems": {
            one.name: {
                "evaluation": str(one.path.resolve()),
                "sha256": sha256_of(one.path),
                **{key: one.content.get(key) for key in _KEYS},
            }
            for one in comparison.systems
        },
        "published": [one._asdict() for one in published_rows()],
        "versions": versions(),
    }


_KEYS = ("subject", "protocol", "test_set", "metric_protocol", "judges", "inputs", "weights")


def _images(comparison: Comparison) -> str:
    """Which images, in the words of an evaluation that had just these."""
    for one in comparison.systems:
        if "test_set" in one.content and len(one.image_ids) == len(comparison.image_ids):
            return one.content["test_set"]["words"]
    return f"{len(comparison.image_ids)} images."


def _caution(comparison: Comparison) -> str:
    simulated = comparison.simulated is not None
    ours = comparison.systems[0].content["metric_protocol"].partition(": ")[0]
    data = "simulated scans" if simulated else "these images"
    return (
        "Others' numbers, of real scans of NSD and with the metrics of their papers. The systems "
        f"above were scored on {data} with protocol {ours}: compare a row with them only where "
        "test images, subjects, protocol and networks are the same."
    )


def _column_of(metric: str) -> str | None:
    return METRIC_FACTS[metric].column if metric in METRIC_FACTS else None


def _page(comparison: Comparison, tables: Sequence[TextTable]) -> ReportContent:
    grids, gone = picture_grids(
        comparison.systems,
        comparison.image_ids,
        mean_ranks(comparison.scores, comparison.better),
        comparison.seed,
    )
    names = [one.name for one in comparison.systems]
    return ReportContent(
        title=f"Compared: {', '.join(names)}",
        lead=f"{len(names)} systems on the same {len(comparison.image_ids)} images.",
        simulated=comparison.simulated,
        provenance=_provenance(comparison),
        overview=tables[:2],
        pictures=grids,
        sections=[
            FigureSection(
                title="Differences with intervals",
                words="Paired differences of means with 95 % intervals; the dashed line is no "
                "difference. To the right of it, the first named is better.",
                draw=partial(difference_intervals, comparison.differences, comparison.better),
            ),
            FigureSection(
                title="Image by image",
                words="One point an image; on the dashed line both systems do equally well. The "
                "cross marks the means.",
                draw=partial(
                    scatters, comparison.scores, comparison.differences, comparison.better
                ),
            ),
        ],
        tables=tables[2:],
        notes=[*comparison.notes, *gone],
    )


def _provenance(comparison: Comparison) -> dict[str, Any]:
    record = as_record(comparison)
    return {
        "systems": {
            name: {key: value for key, value in one.items() if value is not None}
            for name, one in record["systems"].items()
        },
        "seed": comparison.seed,
        "versions": record["versions"],
    }


def _write_tsv(path: Path, comparison: Comparison) -> None:
    """Systems and differences under the same columns; a difference has no chance but 0."""
    columns = ("system", "metric", "value", "low", "high", "n", "chance", "better", "p")
    lines = [
        (row.system, row.metric, row.value, row.low, row.high, row.n, row.chance, row.better, "")
        for row in comparison.rows
    ]
    lines += [
        (f"{one.first} minus {one.second}", one.metric, one.value, one.low, one.high,
         one.num_images, 0.0, comparison.better[one.metric], one.p)
        for one in comparison.differences
    ]  # fmt: skip
    adjusted = ["" for _ in comparison.rows] + [one.adjusted_p for one in comparison.differences]
    write_tsv(
        path,
        (*columns, "p_adjusted"),
        [(*line, one) for line, one in zip(lines, adjusted, strict=True)],
        simulated=comparison.simulated,
    )

"""Metric rows as text for the terminal, as TSV and as JSON."""

import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from mindeye.files import write_text
from mindeye.report.banner import SIMULATED
from mindeye.types import MetricRow

COLUMNS = tuple(field.name for field in dataclasses.fields(MetricRow))


def format_number(value: float | None) -> str:
    """Three decimals, or one where thousandths mean nothing; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def format_interval(row: MetricRow) -> str:
    """`value [low, high]`."""
    return f"{format_number(row.value)} [{format_number(row.low)}, {format_number(row.high)}]"


def format_rows(rows: Sequence[MetricRow]) -> str:
    """An aligned table for the terminal, grouped by metric in order of first appearance."""
    if not rows:
        return "(no rows)"
    header = ("metric", "system", "value [95 % interval]", "n", "chance")
    lines = [header]
    for metric, group in rows_by_metric(rows).items():
        arrow = "" if group[0].better == "higher" else " (lower is better)"
        for index, row in enumerate(group):
            name = metric + arrow if index == 0 else ""
            cells = (format_interval(row), str(row.n), format_number(row.chance))
            lines.append((name, row.system, *cells))
    return "\n".join(aligned_lines(lines, range(3, len(header))))


def aligned_lines(lines: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    """Cells as columns, the first line underlined; columns in `right` end together."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    ruled = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in ruled
    ]


def rows_by_metric(rows: Sequence[MetricRow]) -> dict[str, list[MetricRow]]:
    """Rows of all systems under each metric, both in order of first appearance."""
    groups: dict[str, list[MetricRow]] = {}
    for row in rows:
        groups.setdefault(row.metric, []).append(row)
    return groups


def rows_as_records(rows: Sequence[MetricRow]) -> list[dict]:
    """For `summary.json`."""
    return [dataclasses.asdict(row) for row in rows]


def write_rows_tsv(path: Path, rows: Sequence[MetricRow], *, simulated: Mapping | None) -> None:
    """One line a row, all digits; an empty cell where chance has no fixed value."""
    records = (dataclasses.asdict(row) for row in rows)
    cells = ([record[name] for name in COLUMNS] for record in records)
    write_tsv(path, COLUMNS, cells, simulated=simulated)


def write_tsv(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    simulated: Mapping | None,
) -> None:
    """Tab-separated cells under their names; a comment comes first for a simulated subject."""
    lines = [] if simulated is None else [f"# {SIMULATED}"]
    lines.append("\t".join(columns))
    for row in rows:
        cells = ("" if cell is None else str(cell) for cell in row)
        lines.append("\t".join(" ".join(cell.split()) for cell in cells))
    write_text(path, "\n".join(lines) + "\n")

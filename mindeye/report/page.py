"""What a run gave, as one self-contained HTML page: no scripts, no network, no other files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mindeye.files import write_text
from mindeye.report.banner import SIMULATED
from mindeye.report.grids import PAGE_SIDE, PictureGrid, data_address, png_address
from mindeye.report.plots import (
    DARK,
    LIGHT,
    Curve,
    RoiContribution,
    Theme,
    roi_bars,
    training_curves,
)
from mindeye.report.tables import format_number, rows_by_metric
from mindeye.report.text_tables import BEST, TextTable
from mindeye.types import MetricRow


@dataclass(frozen=True, kw_only=True)
class FigureSection:
    """Figures under a title of their own."""

    title: str
    words: str
    """What they show and how to read them."""
    draw: Callable[[Theme], dict[str, bytes]]
    """Name -> PNG, in the ink of a theme."""


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that stands on the page; empty parts are left out."""

    title: str
    simulated: Mapping[str, Any] | None
    """Contents of SIMULATED.json where the data are made up: a banner in strong colour."""
    provenance: Mapping[str, Any]
    """Nested; shown as a table in this order."""
    rows: Sequence[MetricRow] = ()
    """All systems; grouped by metric on the page."""
    controls: Sequence[MetricRow] = ()
    """Floors, ceilings and no-signal subjects: what the numbers must be judged against."""
    pictures: Sequence[PictureGrid] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """Name -> (steps, values); `prior/training` and `prior/validation` share a panel."""
    roi_contribution: Sequence[RoiContribution] = ()
    sections: Sequence[FigureSection] = ()
    overview: Sequence[TextTable] = ()
    """Tables above everything else."""
    tables: Sequence[TextTable] = ()
    """Tables below the figures."""
    notes: Sequence[str] = ()
    lead: str = ""
    """A sentence or two under the title."""
    intervals: str = "95 % intervals over images: BCa bootstrap; exact binomial for hits."


def write_report(path: Path, report: ReportContent) -> None:
    """Writes the page; whole or not at all."""
    write_text(path, render_page(report))


def render_page(report: ReportContent) -> str:
    """The page's HTML: all text escaped, the same bytes for the same content."""
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["number"] = format_number
    template = environment.from_string(_resource("page.html.jinja2"))
    all_rows = [*report.rows, *report.controls]
    return template.render(
        report=report,
        style=Markup(_resource("page.css")),
        tables=[
            (title, list(_metric_groups(rows, all_rows)))
            for title, rows in (("Results", report.rows), ("Controls", report.controls))
            if rows
        ],
        grids=[_grid_cards(grid) for grid in report.pictures],
        curves=_figures(training_curves, report.curves),
        rois=_figures(roi_bars, report.roi_contribution),
        sections=[
            (one, _figures(lambda _, theme, draw=one.draw: draw(theme), [one]))
            for one in report.sections
        ],
        best=BEST,
        provenance=list(flatten(report.provenance)),
        banner=SIMULATED,
        simulated=list(flatten(report.simulated or {})),
    )


def flatten(values: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """Nested values -> (depth, name, text) lines; a mapping's own line has no text."""
    for name, value in values.items():
        label = str(name).replace("_", " ")
        if isinstance(value, Mapping):
            yield depth, label, ""
            yield from flatten(value, depth + 1)
        else:
            yield depth, label, _text_of(value)


def _text_of(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text_of(entry) for entry in value) or "none"
    return str(value)


@dataclass(frozen=True, kw_only=True)
class MetricGroup:
    """Rows of one metric with places (per cent of the width) on their common scale."""

    metric: str
    better: str
    rows: Sequence[tuple[MetricRow, dict[str, float]]]


def _metric_groups(
    rows: Sequence[MetricRow], all_rows: Sequence[MetricRow]
) -> Iterator[MetricGroup]:
    """Groups `rows`; results and controls share the scale of a metric, hence `all_rows`."""
    everything = rows_by_metric(all_rows)
    for metric, group in rows_by_metric(rows).items():
        low, high = _scale(everything[metric])
        placed = [(row, _places(row, low, high - low)) for row in group]
        yield MetricGroup(metric=metric, better=group[0].better, rows=placed)


def _scale(rows: Sequence[MetricRow]) -> tuple[float, float]:
    """From 0 (or below) to 1 (or above): small differences should look small."""
    ends = [value for row in rows for value in (row.low, row.high, row.value, row.chance)]
    known = [value for value in ends if value is not None and np.isfinite(value)]
    return min([0.0, *known]), max([1.0, *known])


def _places(row: MetricRow, low: float, width: float) -> dict[str, float]:
    """Where low, high, value and chance lie, from 3 to 97 per cent of the bar."""
    ends = {"low": row.low, "high": row.high, "value": row.value, "chance": row.chance}
    return {
        name: round(3 + 94 * (value - low) / width, 2)
        for name, value in ends.items()
        if value is not None and np.isfinite(value)
    }


def _grid_cards(grid: PictureGrid) -> dict[str, Any]:
    cards = []
    for index, image_id in enumerate(grid.image_ids.tolist()):
        found = []
        if grid.retrieved is not None:
            ids = [None] * grid.retrieved.shape[1]
            if grid.retrieved_ids is not None:
                ids = grid.retrieved_ids[index].tolist()
            found = [
                {
                    "address": png_address(picture),
                    "id": found_id,
                    "right": found_id == image_id,
                }
                for picture, found_id in zip(grid.retrieved[index], ids, strict=True)
            ]
        cards.append(
            {
                "id": image_id,
                "caption": grid.captions[index] if grid.captions else "",
                "mark": grid.marks[index] if grid.marks else "",
                "pictures": [
                    {"label": label, "address": png_address(pictures[index])}
                    for label, pictures in grid.columns.items()
                ],
                "found": found,
            }
        )
    sides = [max(pictures.shape[1:3]) for pictures in grid.columns.values()]
    reduced = PAGE_SIDE if sides and max(sides) > PAGE_SIDE else None
    return {"grid": grid, "cards": cards, "reduced": reduced}


def _figures(
    draw: Callable[[Any, Theme], dict[str, bytes]], content: Any
) -> list[tuple[str, str, str]]:
    """(name, light address, dark address) of each figure."""
    if not content:
        return []
    light, dark = draw(content, LIGHT), draw(content, DARK)
    return [(name, data_address(light[name]), data_address(dark[name])) for name in light]


def _resource(name: str) -> str:
    return files("mindeye.report").joinpath(name).read_text(encoding="utf-8")

"""Points of an analysis as pictures: bars over regions, lines over numbers, histograms of voxels.

Figures are objects, nothing global is set.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mindeye.report.plots import COLOURS, Theme, new_axes, png_of
from mindeye.types import AnalysisPoint

MOST_TICKS = 10


def draw_points(points: Sequence[AnalysisPoint], theme: Theme) -> dict[str, bytes]:
    """Figure -> PNG: bars where places are names, lines where they are numbers."""
    pictures = {}
    for figure in dict.fromkeys(point.figure for point in points):
        members = [point for point in points if point.figure == figure]
        named = isinstance(members[0].place, str)
        axes = _bars(members, theme) if named else _lines(members, theme)
        axes.set_title(figure, fontsize=9, color=theme.ink, loc="left")
        pictures[figure] = png_of(axes)
    return pictures


def draw_histograms(
    values_of: Mapping[str, Float[np.ndarray, "voxels"]], theme: Theme
) -> dict[str, bytes]:
    """Name -> PNG of how a map's values are spread over voxels, the median marked."""
    pictures = {}
    for index, (name, values) in enumerate(values_of.items()):
        known = values[np.isfinite(values)]
        axes = new_axes((4.8, 2.4), theme)
        axes.hist(known, bins=40, color=COLOURS[index % len(COLOURS)], alpha=0.85)
        median = float(np.median(known))
        axes.axvline(median, color=theme.ink, lw=1)
        axes.set_ylabel(f"voxels of {len(values):,}", color=theme.ink, fontsize=8)
        axes.set_title(f"{name}, median {median:.3f}", fontsize=9, color=theme.ink, loc="left")
        pictures[name] = png_of(axes)
    return pictures


def _bars(points: Sequence[AnalysisPoint], theme: Theme) -> Axes:
    places = list(dict.fromkeys(point.place for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    axes = new_axes((4.8, 0.9 + 0.3 * len(places) * max(1.0, 0.62 * len(series))), theme)
    width = 0.78 / len(series)
    for index, name in enumerate(series):
        members = [point for point in points if point.series == name]
        rows = np.array([places.index(point.place) for point in members], dtype=float)
        rows += (index - (len(series) - 1) / 2) * width
        values = [point.value for point in members]
        axes.barh(rows, values, height=0.9 * width, color=COLOURS[index], alpha=0.85, label=name)
        axes.errorbar(values, rows, xerr=_ends(members), fmt="none", ecolor=theme.ink, lw=1.0)
    voxels = {point.place: point.num_voxels for point in points}
    axes.set_yticks(range(len(places)), [_label(place, voxels[place]) for place in places])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(points[0].measure)
    if points[0].chance is not None:
        axes.axvline(points[0].chance, color=theme.ink, lw=1, ls=(0, (4, 3)))
    _legend(axes, series, theme)
    return axes


def _lines(points: Sequence[AnalysisPoint], theme: Theme) -> Axes:
    axes = new_axes((4.8, 2.8), theme)
    series = list(dict.fromkeys(point.series for point in points))
    for index, name in enumerate(series):
        members = sorted((one for one in points if one.series == name), key=lambda one: one.place)
        axes.errorbar(
            [point.place for point in members],
            [point.value for point in members],
            yerr=_ends(members),
            color=COLOURS[index],
            marker="o",
            ms=3.5,
            lw=1.4,
            capsize=2,
            label=name,
        )
    places = np.array([point.place for point in points])
    if np.array_equal(places, np.rint(places)):
        axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
    if points[0].chance is not None:
        axes.axhline(points[0].chance, color=theme.ink, lw=1, ls=(0, (4, 3)))
    axes.set_ylabel(points[0].measure, color=theme.ink, fontsize=8)
    _legend(axes, series, theme)
    return axes


def _ends(points: Sequence[AnalysisPoint]) -> np.ndarray:
    ends = [[point.value - point.low, point.high - point.value] for point in points]
    return np.clip(ends, 0, None).T


def _label(place: str, num_voxels: int | None) -> str:
    return place if num_voxels is None else f"{place} ({num_voxels:,})"


def _legend(axes: Axes, series: Sequence[str], theme: Theme) -> None:
    if len(series) > 1:
        axes.figure.legend(
            loc="outside lower center",
            ncols=len(series),
            fontsize=7,
            frameon=False,
            labelcolor=theme.ink,
        )

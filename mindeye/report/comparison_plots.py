"""Systems against each other, image by image, and their differences with intervals, as PNGs."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mindeye.metrics.paired_systems import PairedDifference
from mindeye.report.comparison_tables import share_better
from mindeye.report.plots import COLOURS, DOTS_PER_INCH, Theme, new_axes, png_of

PANEL = 2.5
# Panels of one metric in a line.
PANELS_PER_LINE = 2
# Alone on its image, a point is seen; a thousand of them are a cloud.
_OPAQUE, _FAINT, _MANY = 0.8, 0.35, 300


def difference_intervals(
    differences: Sequence[PairedDifference], better: Mapping[str, str], theme: Theme
) -> dict[str, bytes]:
    """A picture for each metric: one line a pair, to the right where the first is better."""
    pictures = {}
    for index, metric in enumerate(dict.fromkeys(one.metric for one in differences)):
        entries = [one for one in differences if one.metric == metric]
        axes = new_axes((4.8, 0.9 + 0.34 * len(entries)), theme)
        places = np.arange(len(entries))
        values = np.array([one.value for one in entries])
        ends = np.array([[one.value - one.low, one.high - one.value] for one in entries])
        axes.errorbar(
            values,
            places,
            xerr=np.clip(ends, 0, None).T,
            fmt="o",
            ms=5,
            lw=2,
            color=COLOURS[index % len(COLOURS)],
        )
        axes.axvline(0, color=theme.ink, lw=1, ls=(0, (4, 3)))
        axes.set_yticks(places, [f"{one.first} minus {one.second}" for one in entries])
        axes.set_ylim(len(entries) - 0.4, -0.6)
        axes.margins(x=0.15)
        if better[metric] == "lower":
            axes.invert_xaxis()
        axes.grid(axis="y", visible=False)
        axes.set_title(metric, fontsize=9, color=theme.ink, loc="left")
        direction = "lower is better" if better[metric] == "lower" else "difference of means"
        axes.set_xlabel(direction)
        pictures[metric] = png_of(axes)
    return pictures


def scatters(
    scores: Mapping[str, Mapping[str, Float[np.ndarray, "images"]]],
    differences: Sequence[PairedDifference],
    better: Mapping[str, str],
    theme: Theme,
) -> dict[str, bytes]:
    """A picture for each metric: one panel a pair, one point an image, equality as a line."""
    pictures = {}
    for index, metric in enumerate(dict.fromkeys(one.metric for one in differences)):
        entries = [one for one in differences if one.metric == metric]
        panels = _panels(len(entries), metric, theme)
        for axes, one in zip(panels, entries, strict=False):
            _scatter(axes, scores, one, better[metric], COLOURS[index % len(COLOURS)], theme)
        pictures[metric] = png_of(panels[0])
    return pictures


def _panels(count: int, title: str, theme: Theme) -> list[Axes]:
    """Square axes in lines, in the look of all figures of the report."""
    columns = min(count, PANELS_PER_LINE)
    lines = -(-count // columns)
    size = (PANEL * columns, PANEL * lines + 0.35)
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    figure.suptitle(title, fontsize=9, color=theme.ink, x=0.02, ha="left")
    found = []
    for place in range(count):
        axes = figure.add_subplot(lines, columns, place + 1)
        axes.patch.set_alpha(0)
        axes.set_axisbelow(True)
        axes.grid(color=theme.faint, lw=0.6)
        axes.tick_params(which="both", colors=theme.ink, labelsize=7, length=0)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(theme.faint)
        found.append(axes)
    return found


def _scatter(
    axes: Axes,
    scores: Mapping[str, Mapping[str, Float[np.ndarray, "images"]]],
    one: PairedDifference,
    better: str,
    colour: str,
    theme: Theme,
) -> None:
    across, up = scores[one.second][one.metric], scores[one.first][one.metric]
    low, high = min(across.min(), up.min()), max(across.max(), up.max())
    room = 0.04 * (high - low) or 0.5
    limits = (low - room, high + room)
    axes.plot(limits, limits, color=theme.ink, lw=1, ls=(0, (4, 3)))
    alpha = _OPAQUE if len(up) < _MANY else _FAINT
    axes.plot(across, up, "o", ms=3, mew=0, color=colour, alpha=alpha)
    axes.plot(across.mean(), up.mean(), "+", ms=11, mew=2, color=theme.ink)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    axes.set_xlabel(one.second, fontsize=8, color=theme.ink)
    axes.set_ylabel(one.first, fontsize=8, color=theme.ink)
    share = 100 * share_better(one, better)
    axes.set_title(f"{one.first} better: {share:.0f} %", fontsize=7.5, color=theme.ink)

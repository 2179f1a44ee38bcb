"""Training curves and ROI contributions as PNG bytes, for light and for dark pages.

The only file of the report that needs matplotlib; figures are objects, nothing global is set.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Steps and values.
Curve = tuple[Sequence[float | int] | np.ndarray, Sequence[float | int] | np.ndarray]

# Colours of Okabe and Ito, told apart by the colour-blind.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DOTS_PER_INCH = 150
# A curve with more points than this is drawn thin, with its running mean over it.
MANY_POINTS = 60


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Ink of a figure; the ground is transparent."""

    ink: str
    faint: str


LIGHT = Theme(ink="#333333", faint="#d5d5d5")
DARK = Theme(ink="#d8d8d8", faint="#454a54")


@dataclass(frozen=True, kw_only=True)
class RoiContribution:
    """What one region of interest gives, with the interval of the number."""

    roi: str
    num_voxels: int
    metric: str
    value: float
    low: float
    high: float
    chance: float | None = None


def training_curves(curves: Mapping[str, Curve], theme: Theme) -> dict[str, bytes]:
    """A picture for each panel; `prior/training` and `prior/validation` share the panel `prior`.

    Raises:
        ValueError: a curve whose steps and values differ in number.
    """
    panels: dict[str, dict[str, Curve]] = {}
    for name, (steps, values) in curves.items():
        if len(steps) != len(values):
            raise ValueError(
                f"The curve `{name}` has {len(steps)} steps but {len(values)} values. "
                "Log one value a step."
            )
        panel, _, label = name.partition("/")
        panels.setdefault(panel, {})[label] = (steps, values)
    pictures = {}
    for panel, members in panels.items():
        axes = new_axes((3.6, 2.4), theme)
        _curve_panel(axes, panel, members, theme)
        axes.set_xlabel("step")
        pictures[panel] = png_of(axes)
    return pictures


def roi_bars(contributions: Sequence[RoiContribution], theme: Theme) -> dict[str, bytes]:
    """A picture for each metric: horizontal bars with intervals, a dashed line at chance."""
    pictures = {}
    for index, metric in enumerate(dict.fromkeys(entry.metric for entry in contributions)):
        entries = [entry for entry in contributions if entry.metric == metric]
        axes = new_axes((4.8, 0.8 + 0.3 * len(entries)), theme)
        places = np.arange(len(entries))
        values = np.array([entry.value for entry in entries])
        ends = np.array([[entry.value - entry.low, entry.high - entry.value] for entry in entries])
        axes.barh(places, values, height=0.62, color=COLOURS[index % len(COLOURS)], alpha=0.85)
        axes.errorbar(
            values,
            places,
            xerr=np.clip(ends, 0, None).T,
            fmt="none",
            ecolor=theme.ink,
            lw=1.2,
        )
        if entries[0].chance is not None:
            axes.axvline(entries[0].chance, color=theme.ink, lw=1, ls=(0, (4, 3)))
        axes.set_yticks(places, [f"{entry.roi} ({entry.num_voxels:,})" for entry in entries])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_title(metric, fontsize=9, color=theme.ink, loc="left")
        pictures[metric] = png_of(axes)
    return pictures


def _curve_panel(axes: Axes, panel: str, members: Mapping[str, Curve], theme: Theme) -> None:
    lowest, highest = np.inf, -np.inf
    for index, (label, (steps, values)) in enumerate(members.items()):
        colour = COLOURS[index % len(COLOURS)]
        steps, values = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
        if len(values) == 0:
            continue
        lowest, highest = (
            min(lowest, np.nanmin(values)),
            max(highest, np.nanmax(values)),
        )
        if len(values) > MANY_POINTS:
            axes.plot(steps, values, color=colour, lw=0.6, alpha=0.3)
            steps, values = _running_mean(steps, values)
        marker = "o" if len(values) < 12 else None
        axes.plot(
            steps,
            values,
            color=colour,
            lw=1.6,
            marker=marker,
            ms=3,
            label=label or panel,
        )
    if lowest > 0 and highest > 20 * lowest:
        axes.set_yscale("log")
    axes.set_title(panel, fontsize=9, color=theme.ink, loc="left")
    # A lone curve has a legend too where it has a name: training and validation look alike.
    if any(members):
        axes.legend(fontsize=7, frameon=False, labelcolor=theme.ink)


def _running_mean(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    window = max(3, len(values) // 40)
    kernel = np.ones(window) / window
    return np.convolve(steps, kernel, "valid"), np.convolve(values, kernel, "valid")


def new_axes(size: tuple[float, float], theme: Theme) -> Axes:
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_axisbelow(True)
    axes.grid(color=theme.faint, lw=0.6)
    axes.tick_params(which="both", colors=theme.ink, labelsize=7.5, length=0)
    axes.xaxis.label.set_color(theme.ink)
    axes.xaxis.label.set_fontsize(8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    return axes


def png_of(axes: Axes) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(axes.figure).print_png(buffer)
    return buffer.getvalue()

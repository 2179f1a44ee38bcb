"""Low- against high-level metrics over img2img strengths, as one PNG."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mindeye.report.banner import SIMULATED
from mindeye.report.plots import COLOURS, DOTS_PER_INCH, LIGHT, png_of
from mindeye.types import MetricRow

LOW_LEVEL = ("PixCorr", "SSIM")
HIGH_LEVEL = "two-way identification (CLIP)"


def strength_plot(rows: Sequence[MetricRow], alone: str, is_simulated: bool) -> bytes:
    """A panel for PixCorr and one for SSIM; bars are the rows' intervals.

    Args:
        rows: of all systems, which are joined by a line in their order.
        alone: the system that is no strength, and stands beside the line.
    """
    figure = Figure(figsize=(9, 4.2), layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    by_metric = {
        metric: {row.system: row for row in rows if row.metric == metric}
        for metric in (*LOW_LEVEL, HIGH_LEVEL)
    }
    panels = figure.subplots(1, len(LOW_LEVEL), sharey=True)
    for axes, metric in zip(panels, LOW_LEVEL, strict=True):
        _panel(axes, by_metric[metric], by_metric[HIGH_LEVEL], alone)
        axes.set_xlabel(f"{metric} (low level)")
    panels[0].set_ylabel(f"{HIGH_LEVEL} (high level)")
    count = rows[0].n
    title = f"img2img strength, {count} images, 95 % intervals over images"
    figure.suptitle(
        f"{title}. {SIMULATED}" if is_simulated else title, fontsize=8, x=0.01, ha="left"
    )
    return png_of(panels[0])


def _panel(
    axes: Axes, across: Mapping[str, MetricRow], up: Mapping[str, MetricRow], alone: str
) -> None:
    line = [name for name in across if name != alone]
    axes.plot(
        [across[name].value for name in line],
        [up[name].value for name in line],
        color=COLOURS[0],
        lw=1,
    )
    for number, name in enumerate(across):
        x, y = across[name], up[name]
        axes.errorbar(
            x.value,
            y.value,
            xerr=_ends(x),
            yerr=_ends(y),
            fmt="s" if name == alone else "o",
            ms=5,
            lw=0.8,
            color=COLOURS[1] if name == alone else COLOURS[0],
        )
        label = name.removeprefix("strength-")
        # By turns above and below, and words to the left of numbers: neighbours are close.
        aside = -4 if label == name and name != alone else 4
        place = {"xytext": (aside, -11 if number % 2 else 5), "textcoords": "offset points"}
        place["ha"] = "right" if aside < 0 else "left"
        axes.annotate(label, (x.value, y.value), fontsize=7.5, color=LIGHT.ink, **place)
    axes.grid(color=LIGHT.faint, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5)


def _ends(row: MetricRow) -> np.ndarray:
    return np.clip([[row.value - row.low], [row.high - row.value]], 0, None)

"""Retrieval from a gallery over its size: measured, and beyond it as far as that was tried."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from mindeye.report.plots import COLOURS, LIGHT, new_axes, png_of
from mindeye.report.retrieval_plots import on_white
from mindeye.types import MetricRow

SIZE = (6.4, 3.8)


@runtime_checkable
class Beyond(Protocol):
    """An accuracy that was not measured."""

    distractors: int
    top: int
    value: float
    low: float
    high: float


def accuracy_over_distractors(
    rows: Sequence[MetricRow], beyond: Sequence[Beyond], *, gallery: int, simulated: bool
) -> bytes:
    """PNG: a line with its interval for each top, dotted beyond the gallery; dashed: chance.

    Args:
        rows: named `top-5 of 1,000 distractors, ...`; others are left out.
        gallery: distractors that the gallery has.
    """
    axes = new_axes(SIZE, LIGHT)
    tops = sorted({_top(row) for row in rows if row.metric.startswith("top-")})
    for colour, top in zip(COLOURS, tops):
        members = [row for row in rows if row.metric.startswith(f"top-{top} ")]
        sizes = [_size(row) for row in members]
        values = np.array([(row.value, row.low, row.high) for row in members])
        axes.plot(sizes, values[:, 0], color=colour, lw=1.6, marker="o", ms=3, label=f"top-{top}")
        axes.fill_between(sizes, values[:, 1], values[:, 2], color=colour, alpha=0.18, lw=0)
        axes.plot(sizes, [row.chance for row in members], color=colour, lw=0.8, ls=(0, (4, 3)))
        further = [one for one in beyond if one.top == top]
        if further:
            places = [sizes[-1], *(one.distractors for one in further)]
            middle = [values[-1, 0], *(one.value for one in further)]
            low = [values[-1, 1], *(one.low for one in further)]
            high = [values[-1, 2], *(one.high for one in further)]
            axes.plot(places, middle, color=colour, lw=1.2, ls=":")
            axes.fill_between(places, low, high, color=colour, alpha=0.08, lw=0)
    axes.axvline(gallery, color=LIGHT.faint, lw=1)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(
        "distractors (dotted beyond the line: extrapolated)" if beyond else "distractors"
    )
    title = "the seen picture among a gallery's, near duplicates left out"
    title += "; SIMULATED" if simulated else ""
    axes.set_title(title, fontsize=9, color=LIGHT.ink, loc="left")
    beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(fontsize=7, frameon=False, labelcolor=LIGHT.ink, **beside)
    return on_white(png_of(axes))


def _top(row: MetricRow) -> int:
    return int(row.metric.split()[0].removeprefix("top-"))


def _size(row: MetricRow) -> int:
    return int(row.metric.split(" of ")[1].split()[0].replace(",", ""))

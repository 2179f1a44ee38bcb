"""Retrieval as pictures: over pool sizes, by the most-won items, by nearness to training images.

They take the entries of `subjects` in retrieval.json, so that a saved benchmark is drawn again.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from PIL import Image

from mindeye.report.plots import COLOURS, LIGHT, Theme, new_axes, png_of

DIRECTIONS = ("image retrieval", "brain retrieval")
SIZE = (4.4, 3.0)
# More bands than this hide each other.
MOST_BANDS = 4
LINES = ("-", "--", "-.", ":")
POOL_TICKS = (2, 5, 10, 30, 100, 300, 1000)

Subjects = Sequence[Mapping[str, Any]]


def pool_curves(subjects: Subjects, theme: Theme) -> dict[str, bytes]:
    """Top-1 over pool sizes with its interval; dashed: chance."""
    pictures = {}
    for direction in DIRECTIONS:
        axes = new_axes(SIZE, theme)
        for one, style in _styles(subjects):
            sizes = one["pool_curve"]["pool sizes"]
            value, low, high = np.array(one["pool_curve"][direction]).T
            axes.plot(sizes, value, lw=1.6, label=one["label"], **style)
            if len(subjects) <= MOST_BANDS:
                axes.fill_between(sizes, low, high, color=style["color"], alpha=0.18, lw=0)
        longest = max((one["pool_curve"] for one in subjects), key=lambda it: it["pool sizes"][-1])
        chance = {"color": theme.ink, "lw": 1, "ls": (0, (4, 3))}
        axes.plot(longest["pool sizes"], longest["chance"], **chance)
        axes.set_xscale("log")
        axes.set_xticks([one for one in POOL_TICKS if one <= longest["pool sizes"][-1]])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("images in the pool")
        pictures[f"{direction}, top-1"] = _finished(axes, f"{direction}, top-1", subjects, theme)
    return pictures


def hub_curves(subjects: Subjects, theme: Theme) -> dict[str, bytes]:
    """Share of queries won by the most-won items; dashed: every item wins once."""
    pictures = {}
    for direction in DIRECTIONS:
        axes = new_axes(SIZE, theme)
        for one, style in _styles(subjects):
            wins = np.array(one["hubs"][direction]["wins"])
            share = np.concatenate([[0.0], wins.cumsum() / wins.sum()])
            places = np.linspace(0, 1, len(share))
            axes.plot(places, share, lw=1.6, label=one["label"], **style)
        axes.plot([0, 1], [0, 1], color=theme.ink, lw=1, ls=(0, (4, 3)))
        axes.set_xlabel("share of items, most won first")
        axes.set_ylim(0, 1.02)
        title = f"{direction}, queries won"
        pictures[title] = _finished(axes, title, subjects, theme)
    return pictures


def tenth_curves(subjects: Subjects, theme: Theme) -> dict[str, bytes]:
    """Accuracy by how alike the nearest training image is; none where no training is known."""
    known = [one for one in subjects if one["near_duplicates"]["training"] is not None]
    pictures = {}
    for direction in DIRECTIONS if known else ():
        axes = new_axes(SIZE, theme)
        for one, style in _styles(known):
            parts = one["near_duplicates"]["training"]["tenths"]
            middle = [(part["from"] + part["to"]) / 2 for part in parts]
            value, low, high = np.array([part[direction] for part in parts]).T
            ends = np.clip([value - low, high - value], 0, None)
            ends = ends if len(known) <= MOST_BANDS else None
            marks = {"marker": "o", "ms": 3.5, "lw": 1.2, "capsize": 2}
            axes.errorbar(middle, value, yerr=ends, label=one["label"], **marks, **style)
        axes.set_xlabel("likeness of the nearest training image")
        axes.set_ylim(0, 1.02)
        title = f"{direction}, {known[0]['near_duplicates']['training']['metric']}"
        pictures[title] = _finished(axes, title, known, theme)
    return pictures


def on_white(png: bytes) -> bytes:
    """A figure with transparent ground for places whose colour is not known."""
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    buffer = io.BytesIO()
    Image.alpha_composite(white, picture).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def saved_figures(subjects: Subjects) -> dict[str, bytes]:
    """File name without ending -> PNG on white."""
    return {
        f"{kind}_{title.split()[0]}": on_white(png)
        for kind, draw in (
            ("pool_curve", pool_curves),
            ("hubs", hub_curves),
            ("near_duplicates", tenth_curves),
        )
        for title, png in draw(subjects, LIGHT).items()
    }


def _styles(subjects: Subjects) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """A colour for each system and a line for each of its subjects, or a colour for each."""
    systems = list(dict.fromkeys(one["system"] for one in subjects))
    for index, one in enumerate(subjects):
        if len(systems) == 1:
            colour, line = index % len(COLOURS), index // len(COLOURS)
        else:
            members = [other["label"] for other in subjects if other["system"] == one["system"]]
            colour, line = systems.index(one["system"]), members.index(one["label"])
        style = {"color": COLOURS[colour % len(COLOURS)], "ls": LINES[line % len(LINES)]}
        yield one, style


def _finished(axes: Axes, title: str, subjects: Subjects, theme: Theme) -> bytes:
    axes.set_title(title, fontsize=9, color=theme.ink, loc="left")
    if len(subjects) > 1:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
        axes.legend(fontsize=6.5, frameon=False, labelcolor=theme.ink, **beside)
    return png_of(axes)

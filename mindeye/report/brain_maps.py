"""Maps of voxels as pictures: a mosaic of slices for any grid, a glass brain where space is MNI."""

import importlib.util
import io
from collections.abc import Mapping

import nibabel
import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mindeye.report.plots import DOTS_PER_INCH, Theme

NUM_SLICES = 12
COLUMNS = 6
# Of the absolute values: a few extreme voxels must not pale all others.
FULL_COLOUR = 0.98


def can_draw_glass_brains() -> bool:
    """Whether nilearn, which draws them, is installed."""
    return importlib.util.find_spec("nilearn") is not None


def slice_mosaics(
    volumes: Mapping[str, Float[np.ndarray, "x y z"]],
    theme: Theme,
    background: Float[np.ndarray, "x y z"] | None = None,
) -> dict[str, bytes]:
    """Name -> PNG of slices from below to above, seen from above, front up, first axis rightwards.

    Args:
        background: a volume of the same grid, such as NSD's T1_to_func1pt8mm.
    """
    return {name: _mosaic(name, volume, theme, background) for name, volume in volumes.items()}


def glass_brains(
    volumes: Mapping[str, Float[np.ndarray, "x y z"]],
    affine: Float[np.ndarray, "4 4"],
    theme: Theme,
) -> dict[str, bytes]:
    """Name -> PNG by nilearn; for volumes in MNI space, whose outline it draws."""
    from nilearn.plotting import plot_glass_brain

    pictures = {}
    for name, volume in volumes.items():
        figure = Figure(figsize=(7.2, 2.6), dpi=DOTS_PER_INCH)
        FigureCanvasAgg(figure)
        plot_glass_brain(
            nibabel.Nifti1Image(np.nan_to_num(volume), affine),
            figure=figure,
            title=name,
            colorbar=True,
            plot_abs=False,
            symmetric_cbar="auto",
            black_bg=False,
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", facecolor="white")
        pictures[name] = buffer.getvalue()
    return pictures


def _mosaic(
    name: str,
    volume: Float[np.ndarray, "x y z"],
    theme: Theme,
    background: Float[np.ndarray, "x y z"] | None,
) -> bytes:
    inside = np.isfinite(volume)
    levels = np.flatnonzero(inside.any((0, 1)))
    chosen = np.unique(levels[np.linspace(0, len(levels) - 1, NUM_SLICES).round().astype(int)])
    box = tuple(_extent(inside.any(axes)) for axes in ((1, 2), (0, 2)))
    limit = float(np.quantile(np.abs(volume[inside]), FULL_COLOUR)) or 1.0
    signed = bool((volume[inside] < 0).any())
    scale = {"vmin": -limit if signed else 0.0, "vmax": limit}
    colours = colormaps["RdBu_r" if signed else "viridis"]
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(7.2, 0.5 + 1.25 * rows), layout="constrained", dpi=DOTS_PER_INCH)
    figure.patch.set_alpha(0)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    drawn = None
    for panel in panels:
        panel.set_axis_off()
    for panel, level in zip(panels, chosen.tolist()):
        if background is not None:
            panel.imshow(background[*box, level].T, origin="lower", cmap="gray")
        drawn = panel.imshow(
            volume[*box, level].T, origin="lower", cmap=colours, interpolation="nearest", **scale
        )
        panel.set_title(f"slice {level}", fontsize=6.5, color=theme.ink, pad=2)
    bar = figure.colorbar(drawn, ax=list(panels), shrink=0.8)
    bar.ax.tick_params(colors=theme.ink, labelsize=7)
    figure.suptitle(name, fontsize=9, color=theme.ink, x=0.01, ha="left")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _extent(occupied: np.ndarray) -> slice:
    places = np.flatnonzero(occupied)
    return slice(max(0, int(places[0]) - 1), int(places[-1]) + 2)

"""Buildings."""

import numpy as np

from mindeye.simulate.drawing.colours import INK, STEEL, WHITE, WOOD, Shades
from mindeye.simulate.drawing.pen import Pen


def house(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Walls under a gabled roof with a chimney, a door and two windows."""
    eave = rng.uniform(0.5, 0.56)
    pen.box(0.22, 0.7, 0.36, 1.0, (150, 92, 80))
    pen.box(0.2, 0.96, 0.38, 1.0, (120, 72, 64))
    pen.box(-0.46, 0.0, 0.46, eave, shades.body)
    pen.polygon([(-0.46, eave), (0, 0.92), (0.46, eave)], shades.body)
    pen.box(0.3, 0.0, 0.46, eave, shades.dark)
    pen.polygon(
        [(-0.6, eave - 0.06), (0, 0.98), (0.6, eave - 0.06), (0.5, eave - 0.06), (0, 0.84),
         (-0.5, eave - 0.06)],
        shades.accent,
    )  # fmt: skip
    pen.box(-0.09, 0.0, 0.12, 0.36, WOOD, 0.02)
    pen.oval(0.08, 0.18, 0.02, 0.02, (240, 210, 90))
    for x in (-0.37, 0.19):
        pen.box(x - 0.02, 0.18, x + 0.2, 0.42, WHITE)
        pen.glow(x, 0.2, x + 0.18, 0.4)
        pen.line([(x + 0.09, 0.2), (x + 0.09, 0.4)], 0.02, WHITE)
        pen.line([(x, 0.3), (x + 0.18, 0.3)], 0.02, WHITE)
    pen.oval(0, 0.6, 0.085, 0.085, WHITE)
    pen.oval(0, 0.6, 0.06, 0.06, (150, 190, 214))


def skyscraper(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A tall slab with many windows, a set-back top and an antenna."""
    top = rng.uniform(0.74, 0.8)
    pen.line([(0, 0.85), (0, 1.0)], 0.018, STEEL)
    pen.box(-0.12, top, 0.12, 0.9, shades.dark)
    pen.box(-0.22, 0.0, 0.22, top, shades.body)
    pen.box(0.13, 0.0, 0.22, top, shades.dark)
    pen.box(-0.24, top - 0.015, 0.24, top + 0.015, shades.darker)
    rows = 7
    step = (top - 0.2) / rows
    for row in range(rows):
        y = 0.14 + row * step
        for x in (-0.17, -0.07, 0.03):
            if pen.lit and rng.random() < 0.3:
                pen.box(x, y, x + 0.065, y + step * 0.62, shades.darker)
            else:
                pen.glow(x, y, x + 0.065, y + step * 0.62)
        pen.box(0.145, y, 0.2, y + step * 0.62, shades.darker)
    pen.box(-0.09, 0.0, 0.07, 0.1, INK)
    pen.box(-0.14, 0.1, 0.12, 0.12, shades.accent)


def castle(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A wall with battlements between two round towers with pointed roofs; a gate."""
    pen.box(-0.2, 0.4, 0.2, 0.72, shades.dark)
    pen.polygon([(-0.24, 0.7), (0, 0.98), (0.24, 0.7)], shades.accent)
    pen.box(-0.38, 0.0, 0.38, 0.46, shades.body)
    for i in range(6):
        pen.box(-0.36 + i * 0.13, 0.44, -0.29 + i * 0.13, 0.53, shades.body)
    for x in (-0.42, 0.42):
        pen.box(x - 0.14, 0.0, x + 0.14, 0.62, shades.body)
        pen.box(x + 0.05, 0.0, x + 0.14, 0.62, shades.dark)
        pen.box(x - 0.17, 0.58, x + 0.17, 0.66, shades.darker)
        pen.polygon([(x - 0.19, 0.65), (x, 0.92), (x + 0.19, 0.65)], shades.accent)
        pen.glow(x - 0.05, 0.4, x + 0.03, 0.52, 0.04)
    flag = 0.12 if rng.random() < 0.5 else -0.12
    pen.line([(0, 0.92), (0, 1.05)], 0.018, INK)
    pen.polygon([(0, 1.05), (flag, 1.01), (0, 0.97)], (224, 60, 60))
    for x, y in ((-0.24, 0.34), (-0.2, 0.14), (0.2, 0.36), (0.22, 0.16)):
        pen.box(x - 0.045, y, x + 0.045, y + 0.04, shades.dark)
    pen.box(-0.12, 0.0, 0.12, 0.2, INK)
    pen.slice(0, 0.2, 0.12, 0.12, 0, 180, INK)
    for x in (-0.06, 0.0, 0.06):
        pen.line([(x, 0.0), (x, 0.28)], 0.016, WOOD)
    pen.glow(-0.05, 0.56, 0.05, 0.66, 0.05)


def lighthouse(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A tapering striped tower with a gallery and a lamp, on rocks."""
    for x, r in ((-0.22, 0.12), (0.2, 0.13), (0.02, 0.14)):
        pen.slice(x, 0.0, r * 1.3, r, 0, 180, (122, 120, 124))
    low, high = 0.19, 0.11
    bands = 5
    for i in range(bands):
        y0, y1 = 0.06 + i * 0.136, 0.06 + (i + 1) * 0.136
        w0, w1 = (low + (high - low) * (i + k) / bands for k in (0, 1))
        colour = shades.body if i % 2 == 0 else WHITE
        shaded = shades.dark if i % 2 == 0 else (214, 214, 218)
        if shades.body == WHITE or min(shades.body) > 220:
            colour, shaded = (shades.body, shades.dark) if i % 2 == 0 else (STEEL, (110, 118, 130))
        pen.polygon([(-w0, y0), (w0, y0), (w1, y1), (-w1, y1)], colour)
        pen.polygon([(w0 * 0.45, y0), (w0, y0), (w1, y1), (w1 * 0.45, y1)], shaded)
    pen.box(-0.06, 0.06, 0.04, 0.18, WOOD, 0.03)
    pen.box(-0.17, 0.73, 0.17, 0.77, INK)
    pen.glow(-0.085, 0.77, 0.085, 0.89)
    pen.oval(0, 0.83, 0.045, 0.05, (255, 230, 130))
    for x in (-0.085, 0.075):
        pen.box(x, 0.77, x + 0.012, 0.89, INK)
    pen.slice(0, 0.885, 0.12, 0.1, 0, 180, shades.darker)
    pen.oval(0, 0.985, 0.02, 0.02, shades.darker)
    if rng.random() < 0.5:
        pen.glow(-0.04, 0.42, 0.03, 0.5)

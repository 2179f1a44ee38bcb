"""Plants and things of daily life."""

import numpy as np

from mindeye.simulate.drawing.colours import GREEN, INK, STEEL, WHITE, WOOD, Shades, mix
from mindeye.simulate.drawing.pen import Pen, arc_points


def tree(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A trunk with two branches under a crown of soft lobes."""
    pen.polygon([(-0.1, 0), (-0.05, 0.5), (0.05, 0.5), (0.1, 0)], WOOD)
    pen.line([(0, 0.32), (0.16, 0.5)], 0.045, WOOD)
    pen.line([(0, 0.38), (-0.15, 0.52)], 0.045, WOOD)
    lobes = ((-0.24, 0.56, 0.19), (0.24, 0.56, 0.19), (-0.17, 0.75, 0.19), (0.18, 0.76, 0.18),
             (0.0, 0.62, 0.24), (0.0, 0.83, 0.17))  # fmt: skip
    grow = rng.uniform(0.94, 1.02, size=len(lobes))
    for (x, y, r), factor in zip(lobes, grow, strict=True):
        pen.oval(x + 0.02, y - 0.025, r * factor, r * factor, shades.dark)
    for (x, y, r), factor in zip(lobes, grow, strict=True):
        pen.oval(x - 0.015, y + 0.01, r * factor * 0.9, r * factor * 0.88, shades.body)
    for x, y, r in ((-0.2, 0.78, 0.08), (-0.04, 0.87, 0.06), (-0.28, 0.6, 0.06)):
        pen.oval(x, y, r, r * 0.8, shades.light)


def flower(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """One blossom with round petals on a stem with two leaves."""
    pen.curve([(0, 0), (0.03, 0.25), (0, 0.6)], 0.05, GREEN)
    pen.blob([(0.02, 0.14), (0.14, 0.3), (0.32, 0.32), (0.2, 0.16)], GREEN)
    pen.blob([(0.02, 0.08), (-0.1, 0.24), (-0.28, 0.26), (-0.18, 0.1)], mix(GREEN, INK, 0.15))
    num_petals = 6 + int(rng.integers(3))
    centre = arc_points(0, 0.69, 0.19, 0.19, 90, 90 + 360)
    for i in range(num_petals):
        x, y = centre[round(i * (len(centre) - 1) / num_petals)]
        pen.oval(x, y, 0.125, 0.125, shades.body if i % 2 else shades.dark)
    pen.oval(0, 0.69, 0.17, 0.17, shades.body)
    middle = (250, 206, 70) if shades.body != (248, 208, 58) else (140, 84, 46)
    pen.oval(0, 0.69, 0.115, 0.115, mix(middle, INK, 0.2))
    pen.oval(-0.01, 0.7, 0.1, 0.1, middle)


def cactus(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A ribbed column with two raised arms in a coloured pot, a blossom on top."""
    high, low = (0.62, 0.52) if rng.random() < 0.5 else (0.52, 0.62)
    green, dark = (76, 156, 96), (48, 116, 74)
    for side, y in ((-1, high), (1, low)):
        pen.line([(0, y - 0.08), (0.25 * side, y - 0.06), (0.26 * side, y + 0.16)], 0.13, green)
    pen.box(-0.13, 0.2, 0.13, 0.95, green, 0.13)
    for x in (-0.05, 0.05):
        pen.line([(x, 0.36), (x, 0.85)], 0.018, dark)
    for x, y in ((-0.09, 0.5), (0.0, 0.6), (0.09, 0.48), (-0.08, 0.74), (0.08, 0.78), (0, 0.42)):
        pen.line([(x - 0.015, y), (x + 0.015, y + 0.02)], 0.012, WHITE)
    pen.oval(0, 0.95, 0.075, 0.055, (240, 110, 160))
    pen.polygon([(-0.24, 0.3), (0.24, 0.3), (0.18, 0.0), (-0.18, 0.0)], shades.body)
    pen.polygon([(0.1, 0.3), (0.24, 0.3), (0.18, 0.0), (0.08, 0.0)], shades.dark)
    pen.box(-0.28, 0.26, 0.28, 0.35, shades.body, 0.02)
    pen.box(-0.26, 0.25, 0.26, 0.27, shades.darker)


def clock(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """An alarm clock with two bells and feet, telling a random time."""
    for side in (-1, 1):
        pen.line([(0.2 * side, 0.16), (0.3 * side, 0.02)], 0.08, shades.darker)
        pen.oval(0.24 * side, 0.86, 0.15, 0.1, shades.dark, 40 * -side)
    pen.line([(0, 0.84), (0, 0.95)], 0.04, INK)
    pen.oval(0, 0.96, 0.06, 0.04, INK)
    pen.oval(0, 0.46, 0.43, 0.43, shades.body)
    pen.oval(0, 0.46, 0.34, 0.34, shades.darker)
    pen.oval(0, 0.46, 0.325, 0.325, (250, 248, 240))
    marks = arc_points(0, 0.46, 0.27, 0.27, 0, 360)
    for i in range(12):
        x, y = marks[round(i * (len(marks) - 1) / 12)]
        r = 0.03 if i % 3 == 0 else 0.018
        pen.oval(x, y, r, r, INK)
    hour, minute = (int(rng.integers(12)) for _ in range(2))
    for hand, length, width in ((hour, 0.6, 0.05), (minute, 0.85, 0.032)):
        x, y = marks[round(hand * (len(marks) - 1) / 12)]
        pen.line([(0, 0.46), (x * length, 0.46 + (y - 0.46) * length)], width, INK)
    pen.oval(0, 0.46, 0.035, 0.035, (210, 50, 50))


def umbrella(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """An open canopy of coloured panels with a scalloped rim and a hooked handle."""
    pen.line([(0, 0.6), (0, 0.1)], 0.035, STEEL)
    pen.curve([(0, 0.14), (0.02, 0.03), (0.1, 0.0), (0.17, 0.06), (0.17, 0.12)], 0.05, WOOD)
    pen.line([(0, 0.9), (0, 0.99)], 0.03, INK)
    pen.slice(0, 0.5, 0.58, 0.44, 0, 180, shades.body)
    second = shades.dark if rng.random() < 0.5 else mix(shades.body, WHITE, 0.45)
    for x0, x1 in ((-0.38, -0.12), (0.12, 0.38)):
        pen.blob([(0, 0.94), (x0 * 0.75, 0.8), (x0, 0.5), (x1, 0.5), (x1 * 0.75, 0.8)], second)
    for x, r in ((-0.48, 0.1), (-0.25, 0.13), (0, 0.12), (0.25, 0.13), (0.48, 0.1)):
        pen.slice(x, 0.5, r, 0.06, 180, 360, second if abs(x) == 0.25 else shades.body)
    pen.curve([(-0.4, 0.66), (-0.28, 0.82), (-0.1, 0.9)], 0.03, shades.light)


def balloon(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A hot-air balloon: striped envelope, ropes and a basket."""
    second = shades.accent if rng.random() < 0.5 else shades.pale
    for x in (-0.1, 0.1):
        pen.line([(x * 2, 0.36), (x, 0.15)], 0.016, INK)
    outline = [(0, 1.0), (0.26, 0.94), (0.39, 0.72), (0.32, 0.5), (0.13, 0.3), (-0.13, 0.3),
               (-0.32, 0.5), (-0.39, 0.72), (-0.26, 0.94)]  # fmt: skip
    pen.blob(outline, shades.body)
    pen.blob([(x * 0.62, y) for x, y in outline], second)
    pen.blob([(x * 0.28, y) for x, y in outline], shades.body)
    pen.oval(-0.25, 0.8, 0.04, 0.09, shades.light, -20)
    pen.box(-0.13, 0.29, 0.13, 0.33, shades.darker, 0.02)
    pen.box(-0.11, 0.0, 0.11, 0.15, WOOD, 0.03)
    pen.box(-0.12, 0.12, 0.12, 0.16, mix(WOOD, INK, 0.3), 0.02)

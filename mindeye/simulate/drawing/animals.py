"""Animals, each facing right."""

import numpy as np

from mindeye.simulate.drawing.colours import INK, WHITE, Shades
from mindeye.simulate.drawing.pen import Pen


def _eye(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.oval(x, y, radius, radius, WHITE)
    pen.oval(x + radius * 0.25, y, radius * 0.65, radius * 0.65, INK)


def cat(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Sitting, seen from the front: pointed ears, whiskers, a curled tail."""
    bend = rng.uniform(-0.04, 0.06)
    pen.curve([(-0.1, 0.06), (-0.34, 0.1), (-0.4, 0.3 + bend), (-0.3, 0.46)], 0.085, shades.dark)
    pen.blob(
        [(-0.25, 0.0), (-0.27, 0.2), (-0.17, 0.48), (0.0, 0.58), (0.17, 0.48), (0.27, 0.2),
         (0.25, 0.0), (0.0, -0.01)],
        shades.body,
    )  # fmt: skip
    pen.oval(0, 0.3, 0.12, 0.2, shades.pale)
    for x in (-0.11, 0.11):
        pen.box(x - 0.07, 0, x + 0.07, 0.3, shades.body, 0.06)
        pen.oval(x, 0.035, 0.085, 0.045, shades.light)
    for side in (-1, 1):
        pen.polygon([(0.28 * side, 0.66), (0.25 * side, 1.0), (0.05 * side, 0.88)], shades.body)
        pen.polygon([(0.23 * side, 0.74), (0.22 * side, 0.93), (0.1 * side, 0.86)], (240, 170, 170))
    pen.oval(0, 0.7, 0.29, 0.215, shades.body)
    if rng.random() < 0.6:
        for x, top in ((-0.08, 0.86), (0.0, 0.83), (0.08, 0.86)):
            pen.line([(x, 0.9), (x, top - 0.02)], 0.03, shades.darker)
    pen.oval(0, 0.61, 0.14, 0.09, shades.pale)
    for side in (-1, 1):
        pen.oval(0.12 * side, 0.73, 0.06, 0.065, (236, 232, 120))
        pen.oval(0.12 * side, 0.73, 0.025, 0.058, INK)
        for y in (0.645, 0.6):
            pen.line([(0.1 * side, 0.62), (0.37 * side, y + 0.02)], 0.012, INK)
    pen.polygon([(-0.04, 0.655), (0.04, 0.655), (0, 0.61)], (220, 110, 120))


def dog(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Standing in profile: floppy ear, long muzzle, raised tail, collar."""
    wag = rng.uniform(-0.08, 0.08)
    pen.curve([(-0.44, 0.52), (-0.58, 0.66), (-0.58 + wag, 0.84)], 0.08, shades.body)
    for x in (-0.34, 0.2):
        pen.box(x, 0.0, x + 0.11, 0.4, shades.dark, 0.04)
    pen.blob(
        [(-0.48, 0.52), (-0.4, 0.62), (-0.1, 0.6), (0.2, 0.66), (0.36, 0.6), (0.36, 0.38),
         (0.1, 0.31), (-0.25, 0.33), (-0.46, 0.36)],
        shades.body,
    )  # fmt: skip
    for x in (-0.46, 0.26):
        pen.box(x, 0.0, x + 0.12, 0.46, shades.body, 0.04)
        pen.oval(x + 0.08, 0.03, 0.085, 0.035, shades.light)
    if rng.random() < 0.6:
        pen.oval(-0.14, 0.52, 0.15, 0.08, shades.darker)
    pen.polygon([(0.14, 0.58), (0.18, 0.86), (0.46, 0.86), (0.4, 0.5)], shades.body)
    pen.oval(0.36, 0.82, 0.2, 0.17, shades.body)
    pen.box(0.36, 0.68, 0.68, 0.84, shades.body, 0.07)
    pen.oval(0.57, 0.735, 0.12, 0.06, shades.pale)
    pen.oval(0.665, 0.82, 0.05, 0.045, INK)
    pen.line([(0.44, 0.7), (0.6, 0.7)], 0.018, INK)
    pen.line([(0.155, 0.64), (0.4, 0.6)], 0.06, shades.accent)
    pen.blob(
        [(0.18, 0.98), (0.32, 0.95), (0.32, 0.78), (0.25, 0.6), (0.14, 0.62), (0.1, 0.8)],
        shades.darker,
    )
    _eye(pen, 0.42, 0.86, 0.045)


def bird(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """In flight with raised wings, a wedge tail and a beak."""
    lift = rng.uniform(-0.05, 0.05)
    pen.blob(
        [(-0.02, 0.42), (0.1, 0.8), (0.3, 1.0 + lift), (0.38, 0.98), (0.34, 0.7), (0.2, 0.42)],
        shades.dark,
    )
    pen.polygon([(-0.35, 0.4), (-0.75, 0.46), (-0.7, 0.34), (-0.76, 0.22), (-0.3, 0.3)],
                shades.darker)  # fmt: skip
    pen.blob(
        [(-0.42, 0.36), (-0.1, 0.46), (0.2, 0.46), (0.36, 0.36), (0.2, 0.2), (-0.1, 0.17)],
        shades.body,
    )
    pen.oval(0.06, 0.24, 0.24, 0.07, shades.pale)
    pen.oval(0.42, 0.43, 0.16, 0.15, shades.body)
    pen.polygon([(0.55, 0.48), (0.77, 0.4), (0.55, 0.36)], (246, 170, 50))
    pen.blob(
        [(-0.16, 0.36), (-0.22, 0.7), (-0.42, 0.95 + lift), (-0.34, 1.0 + lift), (-0.04, 0.84),
         (0.16, 0.56), (0.18, 0.36)],
        shades.body,
    )  # fmt: skip
    for x, y in ((-0.32, 0.92), (-0.18, 0.86), (-0.06, 0.76)):
        pen.curve([(0.02, 0.44), (x * 0.6, y * 0.75), (x, y + lift)], 0.022, shades.darker)
    _eye(pen, 0.46, 0.47, 0.05)


def fish(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Side view: forked tail, fins, scales or stripes."""
    pen.polygon([(-0.4, 0.5), (-0.82, 0.86), (-0.68, 0.5), (-0.82, 0.14)], shades.dark)
    pen.blob([(-0.25, 0.7), (-0.12, 0.98), (0.24, 0.96), (0.34, 0.72)], shades.darker)
    pen.blob([(-0.05, 0.25), (-0.16, 0.02), (0.04, 0.04), (0.2, 0.25)], shades.darker)
    pen.blob(
        [(-0.56, 0.5), (-0.25, 0.76), (0.2, 0.84), (0.58, 0.7), (0.78, 0.5), (0.58, 0.28),
         (0.2, 0.16), (-0.25, 0.24)],
        shades.body,
    )  # fmt: skip
    pen.blob([(-0.3, 0.33), (0.2, 0.33), (0.62, 0.38), (0.45, 0.24), (0.1, 0.185)], shades.pale)
    if rng.random() < 0.5:
        for x in (-0.26, -0.02, 0.2):
            pen.curve([(x, 0.74), (x + 0.07, 0.5), (x, 0.27)], 0.06, shades.accent)
    else:
        for x, y in ((-0.25, 0.5), (-0.08, 0.62), (-0.08, 0.42), (0.1, 0.52)):
            pen.slice(x, y, 0.09, 0.09, 90, 270, shades.light)
    pen.curve([(0.36, 0.74), (0.29, 0.5), (0.36, 0.28)], 0.03, shades.darker)
    pen.polygon([(0.22, 0.46), (-0.02, 0.36), (0.04, 0.52)], shades.dark)
    _eye(pen, 0.53, 0.6, 0.075)
    pen.line([(0.66, 0.4), (0.74, 0.44)], 0.025, INK)


def elephant(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Profile: a hanging trunk, a large ear, a tusk, four columns for legs."""
    swing = rng.uniform(-0.04, 0.08)
    pen.curve([(-0.54, 0.66), (-0.65, 0.5), (-0.62, 0.32)], 0.035, shades.darker)
    for x in (-0.36, 0.06):
        pen.box(x, 0, x + 0.17, 0.45, shades.dark, 0.04)
    pen.blob(
        [(-0.58, 0.5), (-0.48, 0.82), (-0.15, 0.93), (0.2, 0.86), (0.34, 0.6), (0.2, 0.34),
         (-0.2, 0.29), (-0.5, 0.34)],
        shades.body,
    )  # fmt: skip
    for x in (-0.54, 0.14):
        pen.box(x, 0, x + 0.19, 0.5, shades.body, 0.05)
        for toe in (0.03, 0.085, 0.14):
            pen.oval(x + toe + 0.01, 0.025, 0.026, 0.026, shades.pale)
    pen.oval(0.36, 0.76, 0.23, 0.22, shades.body)
    pen.curve(
        [(0.52, 0.72), (0.61, 0.5), (0.58, 0.26), (0.66 + swing, 0.12), (0.74 + swing, 0.18)],
        0.12, shades.body,
    )  # fmt: skip
    for y in (0.32, 0.41, 0.5):
        pen.line([(0.56, y), (0.62, y)], 0.018, shades.dark)
    pen.polygon([(0.42, 0.58), (0.53, 0.56), (0.76, 0.5), (0.52, 0.5)], WHITE)
    pen.blob(
        [(0.2, 0.97), (0.34, 0.88), (0.33, 0.64), (0.2, 0.44), (0.04, 0.52), (-0.04, 0.76),
         (0.04, 0.94)],
        shades.dark,
    )  # fmt: skip
    pen.blob([(0.18, 0.88), (0.27, 0.8), (0.24, 0.62), (0.12, 0.56), (0.04, 0.74)], (226, 158, 160))
    _eye(pen, 0.45, 0.8, 0.042)


def giraffe(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Profile: a long neck, thin legs, dark patches, two short horns."""
    lean = rng.uniform(-0.03, 0.04)
    pen.curve([(-0.3, 0.5), (-0.37, 0.4), (-0.35, 0.28)], 0.025, shades.darker)
    for x in (-0.18, 0.08):
        pen.polygon([(x, 0.4), (x + 0.08, 0.4), (x + 0.065, 0.0), (x + 0.015, 0.0)], shades.dark)
    pen.blob(
        [(-0.31, 0.46), (-0.24, 0.55), (0.1, 0.6), (0.22, 0.5), (0.14, 0.36), (-0.2, 0.35)],
        shades.body,
    )
    pen.polygon([(0.0, 0.56), (0.2 + lean, 0.9), (0.3 + lean, 0.87), (0.21, 0.45)], shades.body)
    for x in (-0.29, 0.12):
        pen.polygon([(x, 0.45), (x + 0.09, 0.45), (x + 0.075, 0.0), (x + 0.015, 0.0)], shades.body)
        pen.box(x + 0.01, 0, x + 0.08, 0.04, shades.darker)
    for x in (0.2, 0.26):
        pen.line([(x + lean, 0.92), (x - 0.02 + lean, 0.985)], 0.025, shades.darker)
    pen.oval(0.15 + lean, 0.92, 0.06, 0.025, shades.dark, 20)
    pen.oval(0.28 + lean, 0.89, 0.1, 0.06, shades.body, -20)
    pen.oval(0.36 + lean, 0.855, 0.055, 0.042, shades.pale, -20)
    for x, y, r in ((-0.2, 0.47, 0.05), (-0.08, 0.5, 0.045), (0.04, 0.49, 0.05), (-0.13, 0.4, 0.03),
                    (0.11, 0.58, 0.035), (0.145, 0.66, 0.03), (0.19, 0.74, 0.028),
                    (0.23, 0.81, 0.022), (-0.01, 0.41, 0.03), (0.12, 0.44, 0.03)):  # fmt: skip
        pen.oval(x + lean * (y - 0.5) * 2, y, r, r * 0.85, shades.darker, 30)
    _eye(pen, 0.27 + lean, 0.91, 0.024)


def butterfly(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """From above: four spotted wings around a dark body with feelers."""
    spread = rng.uniform(0.94, 1.06)
    for side in (-1, 1):
        s = side * spread
        upper = [(0.02 * s, 0.5), (0.12 * s, 0.84), (0.42 * s, 1.0), (0.58 * s, 0.88),
                 (0.5 * s, 0.6), (0.24 * s, 0.46)]  # fmt: skip
        lower = [(0.02 * s, 0.5), (0.26 * s, 0.48), (0.44 * s, 0.36), (0.4 * s, 0.1),
                 (0.22 * s, 0.02), (0.06 * s, 0.24)]  # fmt: skip
        for wing, centre in ((lower, (0.24 * s, 0.27)), (upper, (0.34 * s, 0.74))):
            pen.blob(wing, shades.darker)
            cx, cy = centre
            pen.blob([(cx + (x - cx) * 0.82, cy + (y - cy) * 0.82) for x, y in wing], shades.body)
            pen.oval(cx + 0.06 * s, cy + 0.02, 0.08, 0.08, shades.accent)
            pen.oval(cx + 0.06 * s, cy + 0.02, 0.035, 0.035, WHITE)
        pen.curve([(0, 0.74), (0.06 * side, 0.88), (0.16 * side, 0.95)], 0.02, INK)
    pen.oval(0, 0.46, 0.045, 0.3, INK)
    pen.oval(0, 0.76, 0.06, 0.06, INK)

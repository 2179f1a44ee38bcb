"""Food."""

import numpy as np

from mindeye.simulate.drawing.colours import GREEN, INK, WHITE, WOOD, Shades
from mindeye.simulate.drawing.pen import Pen


def pizza(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A round pizza with salami and basil on a coloured plate, seen from above at a tilt."""
    pen.oval(0, 0.46, 0.64, 0.46, shades.dark)
    pen.oval(0, 0.5, 0.64, 0.47, shades.body)
    pen.oval(0, 0.51, 0.575, 0.42, shades.light)
    pen.oval(0, 0.52, 0.53, 0.39, (196, 130, 66))
    pen.oval(0, 0.535, 0.53, 0.385, (222, 160, 88))
    pen.oval(0, 0.54, 0.455, 0.325, (206, 70, 42))
    pen.oval(0, 0.545, 0.435, 0.305, (250, 208, 96))
    turn = float(rng.uniform(0, 1))
    ring = ((0.25, 0.02), (0.1, 0.17), (-0.14, 0.16), (-0.27, 0.0), (-0.12, -0.16), (0.13, -0.15))
    for i, (x, y) in enumerate(ring):
        shift = 0.02 * (1 if (i + turn) % 2 < 1 else -1)
        pen.oval(x + shift, 0.55 + y, 0.075, 0.056, (206, 62, 48))
        pen.oval(x + shift - 0.015, 0.56 + y, 0.035, 0.025, (226, 104, 84))
    pen.oval(0.0, 0.55, 0.06, 0.03, GREEN, 35)
    pen.oval(-0.02, 0.73, 0.05, 0.024, GREEN, -20)
    pen.oval(0.16, 0.5, 0.05, 0.024, GREEN, -40)
    pen.oval(-0.18, 0.46, 0.05, 0.024, GREEN, 30)
    if turn < 0.5:
        pen.polygon([(0, 0.545), (0.17, 0.13), (0.33, 0.2)], shades.light)


def apple(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Round with two shoulders, a stalk and one leaf."""
    pen.curve([(0.0, 0.74), (0.02, 0.88), (0.08, 1.0)], 0.05, WOOD)
    pen.blob(
        [(0.0, 0.76), (0.2, 0.84), (0.4, 0.74), (0.46, 0.48), (0.34, 0.16), (0.14, 0.01),
         (0.0, 0.05), (-0.14, 0.01), (-0.34, 0.16), (-0.46, 0.48), (-0.4, 0.74), (-0.2, 0.84)],
        shades.body,
    )  # fmt: skip
    pen.blob(
        [(0.38, 0.72), (0.46, 0.46), (0.34, 0.16), (0.14, 0.02), (0.3, 0.24), (0.36, 0.48)],
        shades.dark,
    )
    pen.oval(-0.24, 0.6, 0.07, 0.13, shades.light, -20)
    pen.oval(0, 0.765, 0.09, 0.03, shades.darker)
    lift = rng.uniform(-0.02, 0.03)
    pen.blob([(0.05, 0.84), (0.18, 0.97 + lift), (0.38, 0.95 + lift), (0.22, 0.84)], GREEN)
    pen.line([(0.1, 0.86), (0.3, 0.93 + lift)], 0.016, (46, 112, 60))


def banana(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A crescent with a stalk, ridges and a dark tip."""
    tip = rng.uniform(0.78, 0.88)
    pen.blob(
        [(-0.72, 0.9), (-0.68, 0.5), (-0.42, 0.14), (0.0, 0.0), (0.44, 0.12), (0.74, 0.46),
         (0.8, tip), (0.72, tip - 0.04), (0.5, 0.58), (0.2, 0.43), (-0.12, 0.44), (-0.42, 0.6),
         (-0.62, 0.9)],
        shades.body,
    )  # fmt: skip
    pen.blob(
        [(-0.68, 0.56), (-0.42, 0.14), (0.0, 0.0), (0.44, 0.12), (0.74, 0.48), (0.42, 0.24),
         (0.0, 0.13), (-0.4, 0.26)],
        shades.dark,
    )  # fmt: skip
    pen.curve([(-0.56, 0.62), (-0.34, 0.4), (0.0, 0.29), (0.36, 0.36), (0.62, 0.56)], 0.04,
              shades.light)  # fmt: skip
    pen.polygon([(-0.74, 1.0), (-0.6, 1.0), (-0.61, 0.84), (-0.73, 0.84)], (104, 78, 44))
    pen.oval(0.765, tip, 0.05, 0.05, (84, 64, 44))


def cake(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Two layers with coloured icing, dripping cream, candles and a plate."""
    pen.oval(0, 0.06, 0.64, 0.06, (206, 212, 222))
    pen.box(-0.5, 0.06, 0.5, 0.44, shades.body, 0.05)
    pen.box(-0.5, 0.2, 0.5, 0.26, WHITE)
    pen.box(-0.33, 0.42, 0.33, 0.7, shades.body, 0.05)
    pen.box(0.38, 0.08, 0.5, 0.4, shades.dark, 0.04)
    pen.box(0.24, 0.46, 0.33, 0.66, shades.dark, 0.04)
    for half, y, num_drips in ((0.5, 0.43, 6), (0.33, 0.7, 4)):
        pen.box(-half - 0.015, y - 0.05, half + 0.015, y + 0.03, WHITE, 0.03)
        for i in range(num_drips):
            x = -half + (i + 0.5) * 2 * half / num_drips
            pen.oval(x, y - 0.06, half / num_drips * 0.7, 0.05, WHITE)
    num_candles = 2 + int(rng.integers(2))
    for i in range(num_candles):
        x = (i - (num_candles - 1) / 2) * 0.2
        pen.box(x - 0.025, 0.72, x + 0.025, 0.9, shades.accent)
        pen.oval(x, 0.945, 0.03, 0.052, (250, 176, 50))
        pen.oval(x, 0.935, 0.015, 0.03, (255, 240, 170))
    for i in range(5):
        pen.oval(-0.36 + i * 0.17, 0.14, 0.025, 0.025, shades.accent)
    pen.line([(-0.6, 0.03), (0.6, 0.03)], 0.012, INK if min(shades.body) > 220 else (170, 178, 190))

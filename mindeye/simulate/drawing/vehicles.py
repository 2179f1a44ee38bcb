"""Vehicles, each facing right."""

import numpy as np

from mindeye.simulate.drawing.colours import INK, STEEL, WHITE, Shades
from mindeye.simulate.drawing.pen import Pen


def _wheel(pen: Pen, x: float, radius: float) -> None:
    pen.oval(x, radius, radius, radius, INK)
    pen.oval(x, radius, radius * 0.55, radius * 0.55, (196, 200, 208))
    pen.oval(x, radius, radius * 0.2, radius * 0.2, (96, 98, 108))


def car(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Side view: a round cabin on a low body, two wheels."""
    roof = rng.uniform(0.94, 1.0)
    pen.blob(
        [(-0.62, 0.55), (-0.4, 0.9), (-0.1, roof), (0.2, 0.95), (0.46, 0.58), (0, 0.5)],
        shades.body,
    )
    pen.polygon([(-0.46, 0.6), (-0.33, 0.84), (-0.12, 0.89), (-0.12, 0.6)], (188, 222, 240))
    pen.polygon([(-0.04, 0.6), (-0.04, 0.89), (0.16, 0.85), (0.34, 0.6)], (188, 222, 240))
    pen.blob(
        [(-0.96, 0.3), (-0.94, 0.56), (-0.5, 0.64), (0.4, 0.62), (0.86, 0.52), (0.98, 0.3),
         (0.9, 0.18), (-0.9, 0.18)],
        shades.body,
    )  # fmt: skip
    pen.box(-0.9, 0.16, 0.92, 0.25, shades.darker, 0.04)
    pen.line([(-0.08, 0.58), (-0.08, 0.28)], 0.02, shades.dark)
    pen.box(0.0, 0.49, 0.12, 0.525, shades.darker)
    pen.line([(-0.8, 0.54), (-0.2, 0.58)], 0.03, shades.light)
    pen.glow(0.84, 0.36, 0.95, 0.46, 0.04)
    pen.box(-0.96, 0.38, -0.88, 0.48, (206, 40, 44), 0.02)
    for x in (-0.56, 0.56):
        pen.oval(x, 0.2, 0.24, 0.24, shades.darker)
        _wheel(pen, x, 0.2)


def bus(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A tall box with a row of windows, a door and a stripe."""
    pen.box(-0.92, 0.12, 0.92, 1.0, shades.body, 0.1)
    pen.box(-0.86, 0.95, 0.84, 1.0, shades.light, 0.03)
    pen.box(-0.92, 0.3, 0.92, 0.38, shades.accent)
    pen.box(-0.9, 0.12, 0.9, 0.2, shades.darker, 0.03)
    num_windows = 4 + int(rng.integers(2))
    step = 1.3 / num_windows
    for i in range(num_windows):
        pen.glow(-0.84 + i * step, 0.52, -0.84 + i * step + step * 0.8, 0.86, 0.03)
    pen.box(0.5, 0.16, 0.68, 0.86, shades.darker, 0.03)
    pen.glow(0.52, 0.2, 0.66, 0.83, 0.03)
    pen.glow(0.76, 0.46, 0.92, 0.88, 0.03)
    pen.glow(0.84, 0.22, 0.92, 0.29)
    for x in (-0.54, 0.32):
        pen.oval(x, 0.16, 0.2, 0.2, shades.darker)
        _wheel(pen, x, 0.16)


def bicycle(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Two spoked wheels, a diamond frame, saddle and handlebar."""
    radius = rng.uniform(0.31, 0.34)
    hub_back, hub_front = (-0.46, radius), (0.46, radius)
    crank, saddle, head = (-0.06, 0.3), (-0.18, 0.78), (0.32, 0.8)
    for x, y in (hub_back, hub_front):
        for angle in range(0, 180, 45):
            dx, dy = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7))[angle // 45]
            pen.line([(x - dx * radius, y - dy * radius), (x + dx * radius, y + dy * radius)],
                     0.012, (170, 172, 180))  # fmt: skip
        ring = [
            (x + radius * dx, y + radius * dy)
            for dx, dy in (
                (1, 0), (0.924, 0.383), (0.707, 0.707), (0.383, 0.924), (0, 1), (-0.383, 0.924),
                (-0.707, 0.707), (-0.924, 0.383), (-1, 0), (-0.924, -0.383), (-0.707, -0.707),
                (-0.383, -0.924), (0, -1), (0.383, -0.924), (0.707, -0.707), (0.924, -0.383),
                (1, 0),
            )
        ]  # fmt: skip
        pen.curve(ring, 0.055, INK)
    for line in ([hub_back, crank, head, saddle, crank], [hub_back, saddle], [hub_front, head]):
        pen.line(line, 0.066, shades.body)
    pen.line([saddle, (-0.21, 0.9)], 0.05, shades.dark)
    pen.oval(-0.23, 0.92, 0.14, 0.045, INK)
    pen.line([head, (0.3, 0.95), (0.46, 0.97)], 0.05, INK)
    pen.oval(*crank, 0.075, 0.075, STEEL)
    pen.line([(-0.06, 0.3), (0.02, 0.16)], 0.03, INK)
    pen.box(-0.04, 0.13, 0.1, 0.17, INK)


def sailboat(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Two sails on a mast above a hull; the hull dips into the water."""
    pen.line([(-0.02, 0.2), (-0.02, 1.0)], 0.035, (120, 84, 56))
    belly = rng.uniform(0.3, 0.4)
    pen.blob([(-0.06, 0.97), (-0.3, 0.6), (-0.5, 0.3), (-0.26, 0.28), (-0.06, 0.3)], shades.body)
    pen.polygon([(0.03, 0.9), (0.03, 0.29), (0.46, 0.29), (belly, 0.5)], shades.pale)
    pen.line([(-0.09, 0.7), (-0.26, 0.66)], 0.03, shades.dark)
    pen.line([(-0.09, 0.5), (-0.37, 0.47)], 0.03, shades.dark)
    pen.polygon([(0.0, 1.0), (0.16, 0.96), (0.0, 0.92)], shades.accent)
    pen.polygon([(-0.58, 0.24), (0.62, 0.26), (0.42, 0.02), (-0.44, 0.02)], (140, 90, 58))
    pen.polygon([(-0.58, 0.24), (0.62, 0.26), (0.58, 0.18), (-0.56, 0.17)], WHITE)
    pen.curve([(-0.56, 0.03), (-0.3, 0.0), (0, 0.03), (0.3, 0.0), (0.6, 0.03)], 0.05,
              (214, 236, 246))  # fmt: skip


def airplane(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Climbing in profile: fuselage, swept wings, tail fin, a row of windows."""
    climb = rng.uniform(0.14, 0.24)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - (y - 0.5) * climb, y + x * climb)

    pen.polygon([at(-0.16, 0.5), at(-0.34, 0.94), at(-0.2, 0.94), at(0.2, 0.54)], shades.darker)
    pen.polygon([at(-0.66, 0.52), at(-0.92, 0.98), at(-0.74, 0.98), at(-0.4, 0.6)], shades.accent)
    pen.blob(
        [at(-0.95, 0.6), at(-0.5, 0.66), at(0.4, 0.66), at(0.8, 0.6), at(0.95, 0.5), at(0.8, 0.4),
         at(0.4, 0.37), at(-0.4, 0.38)],
        shades.body,
    )  # fmt: skip
    pen.blob([at(-0.6, 0.46), at(0, 0.44), at(0.88, 0.45), at(0.6, 0.38), at(-0.3, 0.39)],
             shades.pale)  # fmt: skip
    for i in range(7):
        pen.oval(*at(-0.46 + i * 0.16, 0.56), 0.042, 0.045, (70, 96, 140))
    pen.polygon([at(0.7, 0.6), at(0.84, 0.55), at(0.78, 0.51), at(0.66, 0.53)], (70, 96, 140))
    pen.polygon([at(-0.74, 0.54), at(-1.0, 0.4), at(-0.86, 0.4), at(-0.5, 0.5)], shades.dark)
    pen.polygon([at(0.3, 0.48), at(-0.1, 0.47), at(-0.5, 0.0), at(-0.3, 0.0)], shades.dark)
    pen.oval(*at(0.02, 0.27), 0.13, 0.065, STEEL, turn=10)


def train(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """A steam locomotive: boiler, chimney with smoke, cabin, wheels on a rail."""
    puff = rng.uniform(-0.04, 0.04)
    for x, y, r in ((0.5 + puff, 0.95, 0.09), (0.32, 0.99 + puff, 0.11), (0.1, 1.0, 0.13)):
        pen.oval(x, y, r, r * 0.8, (226, 228, 232))
    pen.box(-0.95, 0.0, 0.95, 0.035, (108, 92, 84))
    pen.polygon([(0.7, 0.3), (0.94, 0.05), (0.62, 0.05)], STEEL)
    pen.box(-0.3, 0.34, 0.74, 0.66, shades.body, 0.12)
    pen.box(-0.24, 0.57, 0.66, 0.62, shades.light, 0.02)
    for x in (-0.02, 0.28):
        pen.box(x, 0.34, x + 0.05, 0.66, shades.dark)
    pen.box(0.46, 0.64, 0.6, 0.86, INK)
    pen.polygon([(0.4, 0.92), (0.66, 0.92), (0.6, 0.82), (0.46, 0.82)], INK)
    pen.slice(0.14, 0.65, 0.1, 0.13, 0, 180, (226, 180, 70))
    pen.box(-0.84, 0.26, -0.28, 0.92, shades.body, 0.03)
    pen.box(-0.92, 0.88, -0.2, 0.97, shades.darker, 0.04)
    pen.glow(-0.74, 0.58, -0.4, 0.82, 0.03)
    pen.box(-0.86, 0.24, 0.76, 0.34, shades.accent)
    pen.glow(0.72, 0.5, 0.82, 0.62, 0.04)
    for x, radius in ((-0.62, 0.17), (-0.2, 0.17), (0.22, 0.13), (0.54, 0.13)):
        _wheel(pen, x, radius)
    pen.line([(-0.62, 0.16), (0.22, 0.13)], 0.04, STEEL)

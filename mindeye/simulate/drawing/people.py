"""People; the named colour is that of their clothes."""

import numpy as np

from mindeye.simulate.drawing.colours import HAIR, INK, SKIN, STEEL, WHITE, Colour, Shades, mix
from mindeye.simulate.drawing.pen import Pen


def _skin_and_hair(rng: np.random.Generator) -> tuple[Colour, Colour]:
    return SKIN[int(rng.integers(len(SKIN)))], HAIR[int(rng.integers(len(HAIR)))]


def person(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Standing, seen from the front: a shirt or a dress, one arm waving or both down."""
    skin, hair = _skin_and_hair(rng)
    dress, waves = rng.random() < 0.5, rng.random() < 0.5
    if rng.random() < 0.5:
        pen.box(-0.1, 0.7, 0.1, 0.94, hair, 0.06)
    trousers = (70, 82, 116) if shades.body != (46, 108, 210) else (196, 176, 140)
    for x in (-0.065, 0.065):
        pen.box(x - 0.05, 0.02, x + 0.05, 0.44, skin if dress else trousers, 0.02)
        pen.oval(x + 0.012, 0.025, 0.07, 0.028, INK)
    hand_right = (0.27, 0.83) if waves else (0.2, 0.4)
    for hand, shoulder in (((-0.2, 0.4), (-0.11, 0.69)), (hand_right, (0.11, 0.69))):
        elbow = (0.26, 0.66) if waves and hand[0] > 0 else (hand[0] * 0.97, 0.55)
        pen.line([shoulder, elbow, hand], 0.07, shades.dark)
        pen.oval(*hand, 0.04, 0.04, skin)
    if dress:
        pen.polygon([(-0.12, 0.73), (0.12, 0.73), (0.2, 0.28), (-0.2, 0.28)], shades.body)
        pen.box(-0.125, 0.5, 0.125, 0.535, shades.darker)
    else:
        pen.box(-0.14, 0.4, 0.14, 0.74, shades.body, 0.06)
        pen.box(-0.14, 0.4, 0.14, 0.43, shades.darker)
    pen.box(-0.035, 0.7, 0.035, 0.79, mix(skin, INK, 0.15))
    pen.oval(0, 0.87, 0.09, 0.105, skin)
    pen.slice(0, 0.885, 0.1, 0.115, 0, 180, hair)
    pen.oval(0.06, 0.905, 0.05, 0.03, hair, -30)
    for x in (-0.035, 0.035):
        pen.oval(x, 0.865, 0.013, 0.016, INK)
    pen.slice(0, 0.825, 0.035, 0.025, 180, 360, (200, 70, 74))


def portrait(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Head and shoulders, cut by the lower edge of the picture."""
    skin, hair = _skin_and_hair(rng)
    long_hair, glasses = rng.random() < 0.5, rng.random() < 0.35
    if long_hair:
        pen.blob([(-0.34, 0.7), (-0.26, 0.95), (0, 1.0), (0.26, 0.95), (0.34, 0.7), (0.36, 0.25),
                  (0, 0.2), (-0.36, 0.25)], hair)  # fmt: skip
    pen.blob([(-0.52, -0.3), (-0.5, 0.08), (-0.34, 0.24), (0, 0.27), (0.34, 0.24), (0.5, 0.08),
              (0.52, -0.3)], shades.body)  # fmt: skip
    pen.polygon([(-0.14, 0.27), (0, 0.1), (0.14, 0.27)], WHITE)
    for x in (-0.3, 0.3):
        pen.line([(x, 0.1), (x * 0.96, -0.1)], 0.02, shades.dark)
    pen.box(-0.1, 0.18, 0.1, 0.42, mix(skin, INK, 0.14), 0.06)
    for x in (-0.27, 0.27):
        pen.oval(x, 0.6, 0.05, 0.07, mix(skin, INK, 0.1))
    pen.oval(0, 0.62, 0.26, 0.31, skin)
    pen.slice(0, 0.71, 0.285, 0.28, 0, 180, hair)
    pen.oval(0.1, 0.73, 0.2, 0.06, hair, -14)
    for x in (-0.105, 0.105):
        pen.oval(x, 0.6, 0.05, 0.04, WHITE)
        pen.oval(x, 0.6, 0.026, 0.032, (70, 60, 60))
        pen.line([(x - 0.05, 0.665), (x + 0.05, 0.67)], 0.022, mix(hair, INK, 0.3))
        pen.oval(x * 1.35, 0.5, 0.05, 0.035, mix(skin, (236, 110, 100), 0.3))
        if glasses:
            ring = [(x - 0.08, 0.6), (x, 0.67), (x + 0.08, 0.6), (x, 0.53), (x - 0.08, 0.6)]
            pen.curve(ring, 0.018, INK)
    pen.line([(0.0, 0.58), (0.025, 0.51), (-0.005, 0.505)], 0.018, mix(skin, INK, 0.28))
    pen.slice(0, 0.45, 0.09, 0.06, 180, 360, (196, 70, 74))


def skier(pen: Pen, shades: Shades, rng: np.random.Generator) -> None:
    """Crouching in profile on two skis with poles, helmet and goggles."""
    skin, _ = _skin_and_hair(rng)
    lean = rng.uniform(-0.03, 0.04)
    for y, colour in ((0.09, shades.darker), (0.03, shades.accent)):
        pen.line([(-0.6, y), (0.5, y), (0.62, y + 0.07)], 0.045, colour)
    pen.line([(0.32, 0.5), (-0.02, 0.44), (-0.5, 0.24)], 0.024, STEEL)
    for dx, colour in ((0.08, mix(INK, WHITE, 0.25)), (0.0, INK)):
        pen.line([(-0.2 + dx, 0.42), (0.12 + dx, 0.32), (-0.04 + dx, 0.12)], 0.13, colour)
        pen.box(-0.12 + dx, 0.05, 0.1 + dx, 0.15, shades.darker, 0.03)
    pen.blob(
        [(-0.32, 0.42), (-0.24, 0.62), (0.02, 0.8), (0.2 + lean, 0.78), (0.24 + lean, 0.64),
         (0.08, 0.5), (-0.1, 0.36)],
        shades.body,
    )  # fmt: skip
    pen.line([(0.1, 0.68), (0.14, 0.5), (0.34, 0.52)], 0.1, shades.dark)
    pen.oval(0.35, 0.52, 0.055, 0.055, INK)
    pen.line([(0.36, 0.62), (0.3, 0.4), (0.26, 0.1)], 0.024, STEEL)
    pen.oval(0.24 + lean, 0.86, 0.12, 0.13, skin)
    pen.slice(0.23 + lean, 0.88, 0.14, 0.13, 0, 200, shades.body)
    pen.box(0.2 + lean, 0.83, 0.38 + lean, 0.92, (70, 190, 220), 0.04)
    pen.box(0.08 + lean, 0.86, 0.22 + lean, 0.89, INK)

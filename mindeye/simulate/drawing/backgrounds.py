"""Backgrounds: each draws a place on a sky and says where its horizon lies."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mindeye.simulate.drawing.colours import mix, tint_of
from mindeye.simulate.drawing.ground import Setting, draw_ground, draw_hills, rounded
from mindeye.simulate.drawing.pen import Pen
from mindeye.simulate.drawing.weather import draw_sky

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What the rest of the picture must know of its background."""

    horizon: float
    window: Box | None
    """Where an indoor scene shows the weather, in pixels of the supersampled picture."""


def meadow(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    draw_hills(pen, base, 0.1, (104, 164, 108), rng)
    draw_ground(image, setting, (124, 188, 92), (84, 150, 70))
    for u, v, w in rng.random((26, 3)):
        y = base * (0.04 + 0.92 * v)
        height = 0.02 + 0.03 * (1 - v)
        pen.polygon([(u - 0.008, y), (u + 0.006 * w, y + height), (u + 0.008, y)], (72, 136, 64))
    for u, v, w in rng.random((9, 3)):
        colour = ((250, 240, 250), (250, 216, 90), (236, 130, 160))[int(w * 3)]
        pen.oval(u, base * (0.05 + 0.8 * v), 0.01, 0.01, colour)


def beach(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    draw_ground(image, setting, (56, 150, 196), (96, 196, 212))
    shore = base * 0.66
    wave = [(i / 6, shore + 0.03 * float(r)) for i, r in enumerate(rng.random(7))]
    curve = rounded(wave)
    pen.polygon([(0, -0.01), *[(x, y + 0.02) for x, y in curve], (1, -0.01)], (236, 246, 248))
    pen.polygon([(0, -0.01), *curve, (1, -0.01)], (226, 200, 148))
    pen.polygon([(0, -0.01), *[(x, y - 0.03) for x, y in curve], (1, -0.01)], (242, 218, 168))
    for u, v, w in rng.random((16, 3)):
        pen.oval(u, shore * 0.85 * v, 0.02 + 0.03 * w, 0.006, (228, 200, 148))


def street(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    x = -0.02
    for u, v in rng.random((7, 2)):
        width, height = 0.15 + 0.1 * u, 0.14 + 0.24 * v
        colour = ((176, 150, 140), (150, 158, 172), (190, 176, 150), (160, 140, 150))[int(u * 4)]
        pen.box(x, base - 0.01, x + width, base + height, colour)
        for row in range(int(height / 0.08)):
            for column in range(2):
                left = x + width * (0.18 + 0.38 * column)
                low = base + 0.03 + row * 0.08
                if setting.lit and (row + column + int(v * 7)) % 3 == 0:
                    pen.glow(left, low, left + width * 0.24, low + 0.04)
                else:
                    pen.box(
                        left, low, left + width * 0.24, low + 0.04, mix(colour, (60, 70, 90), 0.3)
                    )
        x += width
    draw_ground(image, setting, (150, 152, 158), (112, 114, 122))
    pen.box(0, base * 0.86, 1, base, (188, 186, 182))
    pen.box(0, base * 0.83, 1, base * 0.86, (140, 140, 142))
    shift = 0.2 * rng.random()
    for i in range(-1, 5):
        left = i * 0.26 + shift
        pen.polygon(
            [(left, base * 0.3), (left + 0.14, base * 0.3), (left + 0.15, base * 0.24),
             (left + 0.005, base * 0.24)],
            (232, 228, 210),
        )  # fmt: skip


def desert(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    draw_hills(pen, base, 0.13, (214, 150, 96), rng, 3)
    draw_ground(image, setting, (236, 184, 116), (222, 158, 92))
    for level, colour in ((0.62, (228, 170, 102)), (0.26, (212, 148, 86))):
        tops = [(i / 3, base * level + 0.1 * (float(r) - 0.5)) for i, r in enumerate(rng.random(4))]
        pen.polygon([(0, -0.01), *rounded(tops), (1, -0.01)], colour)
    for u, v, w in rng.random((7, 3)):
        pen.oval(u, base * 0.9 * v, 0.012 + 0.014 * w, 0.008 + 0.006 * w, (170, 120, 82))


def snow_field(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    draw_hills(pen, base, 0.1, (206, 220, 236), rng, 4)
    for u, v in rng.random((7, 2)):
        height = 0.1 + 0.08 * v
        for k in range(3):
            low, half = base + height * 0.28 * k, height * (0.34 - 0.08 * k)
            pen.polygon([(u - half, low), (u, low + height * 0.5), (u + half, low)], (92, 132, 128))
    draw_ground(image, setting, (236, 242, 250), (216, 228, 244))
    for u, v, w in rng.random((8, 3)):
        y = base * 0.95 * v
        pen.oval(u, y, 0.08 + 0.1 * w, 0.014 + 0.012 * w, (204, 218, 238))
        pen.oval(u - 0.01, y + 0.008, 0.08 + 0.09 * w, 0.012 + 0.01 * w, (240, 245, 252))


def sea(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    draw_ground(image, setting, (44, 126, 186), (22, 82, 146))
    for u, v, w in rng.random((30, 3)):
        y = base * 0.96 * v
        width = 0.04 + 0.09 * w * (1.2 - v)
        shade = (92, 168, 212) if w < 0.6 else (34, 104, 166)
        pen.line([(u - width, y), (u, y + 0.008), (u + width, y)], 0.009, shade)


def room(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> Box:
    """Indoors: the sky and the weather stay behind a window."""
    base = 1 - setting.horizon
    wall = ((226, 206, 178), (190, 210, 204), (214, 196, 210), (200, 208, 226))[
        int(rng.integers(4))
    ]
    left = 0.08 if rng.random() < 0.5 else 0.5
    frame = (left, base + 0.16, left + 0.42, 0.94)
    side = image.width
    bounds = (
        round(side * frame[0]),
        round(side * (1 - frame[3])),
        round(side * frame[2]),
        round(side * (1 - frame[1])),
    )
    view = image.crop(bounds)
    draw_ground(image, setting, (176, 126, 84), (150, 102, 66))
    pen.box(-0.01, base, 1.01, 1.01, wall)
    for i in range(9):
        pen.box(i * 0.125, base, i * 0.125 + 0.05, 1.01, mix(wall, (255, 255, 255), 0.16))
    pen.box(frame[0] - 0.03, frame[1] - 0.03, frame[2] + 0.03, frame[3] + 0.03, (244, 240, 232))
    image.paste(view, (bounds[0], bounds[1]))
    middle = (frame[0] + frame[2]) / 2
    pen.box(middle - 0.01, frame[1], middle + 0.01, frame[3], (244, 240, 232))
    pen.box(frame[0] - 0.05, frame[1] - 0.05, frame[2] + 0.05, frame[1] - 0.02, (226, 220, 208))
    pen.box(-0.01, base - 0.005, 1.01, base + 0.03, (244, 240, 232))
    for k in (0.28, 0.55, 0.8):
        pen.line([(0, base * k), (1, base * k)], 0.006, (136, 92, 60))
    picture = 0.86 if left < 0.3 else 0.12
    pen.box(picture - 0.1, 0.66, picture + 0.1, 0.9, (120, 90, 70))
    pen.box(picture - 0.08, 0.68, picture + 0.08, 0.88, (232, 218, 190))
    pen.oval(picture, 0.76, 0.045, 0.045, (204, 120, 96))
    return bounds


def forest(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    pen.box(-0.01, base - 0.02, 1.01, base + 0.07, (84, 128, 96))
    for level, colour in ((0.0, (120, 166, 136)), (1.0, (66, 118, 84))):
        num = 9
        for i, (u, v) in enumerate(rng.random((num, 2))):
            x = (i + u) / num
            height = 0.3 + 0.16 * v - 0.08 * level
            half = 0.07 + 0.03 * u
            pen.box(x - 0.01, base - 0.02, x + 0.01, base + 0.06, (96, 74, 60))
            for k in range(3):
                low = base + 0.03 + height * 0.26 * k
                reach = half * (1 - 0.22 * k)
                pen.polygon([(x - reach, low), (x, low + height * 0.46), (x + reach, low)], colour)
    draw_ground(image, setting, (96, 134, 78), (74, 108, 62))
    for u, v, w in rng.random((22, 3)):
        colour = (110, 148, 84) if w < 0.6 else (140, 110, 70)
        pen.oval(u, base * 0.95 * v, 0.02 + 0.03 * w, 0.008 + 0.008 * w, colour)


def mountains(image: Image.Image, pen: Pen, setting: Setting, rng: np.random.Generator) -> None:
    base = 1 - setting.horizon
    for depth, rock in ((0, (150, 164, 190)), (1, (112, 124, 150))):
        for i, (u, v) in enumerate(rng.random((3, 2))):
            x, height, half = (i + 0.2 + 0.6 * u) / 3, 0.36 + 0.12 * v - 0.13 * depth, 0.26
            top = base + height
            pen.polygon([(x - half, base - 0.01), (x, top), (x + half, base - 0.01)], rock)
            pen.polygon([(x, top), (x + half, base - 0.01), (x + 0.05, base - 0.01)],
                        mix(rock, (40, 50, 80), 0.2))  # fmt: skip
            s = 0.3
            pen.polygon(
                [(x - half * s, top - height * s), (x, top), (x + half * s, top - height * s),
                 (x + half * s * 0.4, top - height * s * 0.8), (x, top - height * s * 1.15),
                 (x - half * s * 0.4, top - height * s * 0.75)],
                (240, 244, 250),
            )  # fmt: skip
    draw_ground(image, setting, (130, 158, 110), (108, 132, 92))
    for u, v, w in rng.random((10, 3)):
        pen.oval(u, base * 0.9 * v, 0.02 + 0.02 * w, 0.01 + 0.01 * w, (150, 148, 146))


# name -> (painter, lowest and highest horizon)
BACKGROUNDS: dict[str, tuple[Callable[..., Box | None], float, float]] = {
    "meadow": (meadow, 0.5, 0.6),
    "beach": (beach, 0.44, 0.52),
    "street": (street, 0.54, 0.62),
    "desert": (desert, 0.5, 0.6),
    "snow field": (snow_field, 0.5, 0.6),
    "sea": (sea, 0.46, 0.56),
    "room": (room, 0.58, 0.64),
    "forest": (forest, 0.56, 0.64),
    "mountains": (mountains, 0.58, 0.66),
}


INDOORS = "room"
"""The one background with a roof."""


def draw_background(
    image: Image.Image, background: str, light: str, weather: str, rng: np.random.Generator
) -> Backdrop:
    """Paint sky and place."""
    painter, low, high = BACKGROUNDS[background]
    horizon = round(low + (high - low) * rng.random(), 3)
    draw_sky(image, horizon, light, weather, rng)
    lit = light != "day"
    tint = tint_of(light, weather, thing=False, indoors=background == INDOORS)
    side = image.width
    pen = Pen(image, origin=(0, side), scale=side, tint=tint, lit=lit)
    setting = Setting(horizon=horizon, light=light, weather=weather, tint=tint, lit=lit)
    window = painter(image, pen, setting, rng)
    return Backdrop(horizon=horizon, window=window)

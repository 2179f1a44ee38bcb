"""What the painters of backgrounds share: the setting, the ground and hills."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from mindeye.simulate.drawing.colours import mix
from mindeye.simulate.drawing.pen import Colour, Pen
from mindeye.simulate.drawing.weather import vertical_gradient

Tint = Callable[[Colour], Colour]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a background painter needs besides the picture."""

    horizon: float
    """Share of the height above the ground."""
    light: str
    weather: str
    tint: Tint
    lit: bool


def draw_ground(image: Image.Image, setting: Setting, far: Colour, near: Colour) -> None:
    side = image.width
    top = round(side * setting.horizon)
    if setting.weather == "snow":
        far, near = mix(far, (240, 244, 250), 0.4), mix(near, (240, 244, 250), 0.4)
    image.paste(
        vertical_gradient((side, side - top), setting.tint(far), setting.tint(near)), (0, top)
    )


def draw_hills(
    pen: Pen, base: float, height: float, colour: Colour, rng: np.random.Generator, num: int = 5
) -> None:
    tops = rng.random(num + 1)
    points = [(i / num, base + height * float(t)) for i, t in enumerate(tops)]
    pen.polygon([(0, base - 0.02), *rounded(points), (1, base - 0.02)], colour)


def rounded(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    smooth = []
    for (x0, y0), (x1, y1) in pairwise(points):
        for step in range(6):
            t = step / 6
            smooth.append((x0 + (x1 - x0) * t, y0 + (y1 - y0) * t * t * (3 - 2 * t)))
    return [*smooth, points[-1]]

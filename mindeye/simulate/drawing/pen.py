"""A pen that draws smooth shapes in a thing's own coordinates on a supersampled Pillow image."""

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

_CURVE_STEPS = 6


def _catmull_rom_weights(steps: int) -> list[tuple[float, float, float, float]]:
    """Weights of the four neighbouring points at each step of one curve segment."""
    weights = []
    for step in range(steps):
        t = step / steps
        weights.append(
            (
                0.5 * (-t + 2 * t * t - t * t * t),
                0.5 * (2 - 5 * t * t + 3 * t * t * t),
                0.5 * (t + 4 * t * t - 3 * t * t * t),
                0.5 * (-t * t + t * t * t),
            )
        )
    return weights


_WEIGHTS = _catmull_rom_weights(_CURVE_STEPS)


def smooth_closed(points: Sequence[Point]) -> list[Point]:
    """A closed curve through the points."""
    n = len(points)
    curve = []
    for i in range(n):
        a, b, c, d = points[i - 1], points[i], points[(i + 1) % n], points[(i + 2) % n]
        for wa, wb, wc, wd in _WEIGHTS:
            curve.append(
                (
                    wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0],
                    wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1],
                )
            )
    return curve


def smooth_open(points: Sequence[Point]) -> list[Point]:
    """A curve through the points, from the first to the last."""
    padded = [points[0], *points, points[-1]]
    curve = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for wa, wb, wc, wd in _WEIGHTS:
            curve.append(
                (
                    wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0],
                    wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1],
                )
            )
    return [*curve, points[-1]]


def arc_points(
    x: float, y: float, rx: float, ry: float, start: float = 0, stop: float = 360, turn: float = 0
) -> list[Point]:
    """Points on an ellipse from `start` to `stop` degrees, turned by `turn`; counter-clockwise."""
    steps = max(6, round(abs(stop - start) / 12))
    cos_turn, sin_turn = _cos(turn), _sin(turn)
    points = []
    for step in range(steps + 1):
        angle = start + (stop - start) * step / steps
        dx, dy = rx * _cos(angle), ry * _sin(angle)
        points.append((x + dx * cos_turn - dy * sin_turn, y + dx * sin_turn + dy * cos_turn))
    return points


def _cos(degrees: float) -> float:
    return round(math.cos(math.radians(degrees)), 6)


def _sin(degrees: float) -> float:
    return round(math.sin(math.radians(degrees)), 6)


class Pen:
    """Draws in units of the thing's height: x to its right, y up from the ground at (0, 0).

    Pixel coordinates are rounded to integers before Pillow sees them, so that every machine
    draws the same picture. Every colour passes through `tint`, which is the light of the scene.
    """

    def __init__(
        self,
        image: Image.Image,
        *,
        origin: Point = (0.0, 0.0),
        scale: float = 1.0,
        mirrored: bool = False,
        tint: Callable[[Colour], Colour] = lambda colour: colour,
        lit: bool = False,
    ) -> None:
        self._draw = ImageDraw.Draw(image)
        self._x, self._y = origin
        self._scale_x = -scale if mirrored else scale
        self._scale = scale
        self._tint = tint
        self.lit = lit

    def _pixels(self, points: Sequence[Point]) -> list[tuple[int, int]]:
        return [
            (round(self._x + x * self._scale_x), round(self._y - y * self._scale))
            for x, y in points
        ]

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon(self._pixels(points), fill=self._tint(colour))

    def blob(self, points: Sequence[Point], colour: Colour) -> None:
        """A smooth closed shape through the points."""
        self.polygon(smooth_closed(points), colour)

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0
    ) -> None:
        if turn:
            self.polygon(arc_points(x, y, rx, ry, turn=turn), colour)
            return
        (x0, y0), (x1, y1) = self._pixels([(x - rx, y + ry), (x + rx, y - ry)])
        self._draw.ellipse((min(x0, x1), y0, max(x0, x1), y1), fill=self._tint(colour))

    def slice(
        self, x: float, y: float, rx: float, ry: float, start: float, stop: float, colour: Colour
    ) -> None:
        """A part of an ellipse, cut by the chord between its ends."""
        self.polygon(arc_points(x, y, rx, ry, start, stop), colour)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, corner: float = 0
    ) -> None:
        (a, b), (c, d) = self._pixels([(x0, y1), (x1, y0)])
        bounds = (min(a, c), min(b, d), max(a, c), max(b, d))
        radius = round(corner * self._scale)
        if radius > 0:
            self._draw.rounded_rectangle(bounds, radius=radius, fill=self._tint(colour))
        else:
            self._draw.rectangle(bounds, fill=self._tint(colour))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends and joints."""
        pixels = self._pixels(points)
        thickness = max(2, round(width * self._scale))
        fill = self._tint(colour)
        self._draw.line(pixels, fill=fill, width=thickness, joint="curve")
        radius = thickness // 2
        if radius > 1:
            for x, y in (pixels[0], pixels[-1]):
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def curve(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A smooth line through the points."""
        self.line(smooth_open(points), width, colour)

    def glow(self, x0: float, y0: float, x1: float, y1: float, corner: float = 0) -> None:
        """A window: pale blue by day, lit from inside after dark."""
        if not self.lit:
            self.box(x0, y0, x1, y1, (190, 222, 240), corner)
            return
        tint, self._tint = self._tint, lambda colour: colour
        self.box(x0, y0, x1, y1, (255, 216, 120), corner)
        self._tint = tint

"""Sky, clouds, sun, moon and stars; rain, snow and fog over the whole picture."""

import numpy as np
from PIL import Image, ImageDraw

from mindeye.simulate.drawing.colours import mix
from mindeye.simulate.drawing.pen import Colour, Pen

_SKIES: dict[tuple[str, bool], tuple[Colour, Colour]] = {
    ("day", True): ((96, 170, 232), (206, 234, 248)),
    ("day", False): ((146, 162, 180), (206, 214, 222)),
    ("dusk", True): ((92, 74, 142), (250, 160, 96)),
    ("dusk", False): ((98, 84, 118), (198, 146, 128)),
    ("night", True): ((14, 20, 58), (50, 62, 116)),
    ("night", False): ((24, 30, 52), (62, 70, 98)),
}
_CLOUDS: dict[str, Colour] = {
    "day": (250, 251, 253),
    "dusk": (236, 172, 154),
    "night": (84, 92, 124),
}
_FOG: dict[str, Colour] = {
    "day": (222, 226, 230),
    "dusk": (206, 176, 168),
    "night": (84, 92, 116),
}


def sky_colours(light: str, weather: str) -> tuple[Colour, Colour]:
    """Colours at the zenith and at the horizon."""
    return _SKIES[light, weather == "clear"]


def vertical_gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    steps = np.arange(size[1], dtype=np.int64)[:, None]
    first, last = np.array(top, dtype=np.int64), np.array(bottom, dtype=np.int64)
    divisor = max(1, size[1] - 1)
    rows = first + ((last - first) * steps + divisor // 2) // divisor
    column = Image.fromarray(rows.astype(np.uint8)[:, None, :])
    return column.resize(size, Image.Resampling.NEAREST)


def draw_sky(
    image: Image.Image, horizon: float, light: str, weather: str, rng: np.random.Generator
) -> None:
    """Fill the picture down to `horizon` (a share of its height) with sky."""
    side = image.width
    top, bottom = sky_colours(light, weather)
    image.paste(vertical_gradient((side, round(side * horizon) + 1), top, bottom), (0, 0))
    pen = Pen(image, origin=(0, side), scale=side)
    x, y = 0.1 + 0.8 * rng.random(), 1 - 0.08 - 0.14 * rng.random()
    stars = rng.random((26, 3))
    if light == "night" and weather == "clear":
        for star_x, star_y, star_size in stars:
            radius = 0.0035 + 0.004 * star_size
            pen.oval(star_x, 1 - star_y * horizon * 0.9, radius, radius, (236, 236, 220))
    if weather in ("clear", "cloudy"):
        _draw_sun_or_moon(pen, x, y, horizon, light, mix(top, bottom, 0.3))
    _draw_clouds(pen, horizon, light, weather, rng)


def _draw_sun_or_moon(
    pen: Pen, x: float, y: float, horizon: float, light: str, behind: Colour
) -> None:
    if light == "night":
        pen.oval(x, y, 0.062, 0.062, mix(behind, (240, 236, 210), 0.25))
        pen.oval(x, y, 0.05, 0.05, (242, 238, 214))
        pen.oval(x - 0.015, y + 0.012, 0.011, 0.011, (216, 212, 190))
        pen.oval(x + 0.016, y - 0.014, 0.008, 0.008, (216, 212, 190))
    elif light == "dusk":
        low = 1 - horizon + 0.06
        for radius, share in ((0.15, 0.25), (0.115, 0.5), (0.085, 1.0)):
            pen.oval(x, low, radius, radius, mix((250, 160, 96), (255, 216, 130), share))
    else:
        for radius, share in ((0.1, 0.25), (0.08, 0.5), (0.06, 1.0)):
            pen.oval(x, y, radius, radius, mix(behind, (255, 232, 130), share))


def _draw_clouds(
    pen: Pen, horizon: float, light: str, weather: str, rng: np.random.Generator
) -> None:
    num_clouds = {"clear": 2, "cloudy": 6, "rain": 6, "snow": 5, "fog": 2}[weather]
    below = sky_colours(light, weather)[1]
    base = mix(_CLOUDS[light], (96, 102, 116), 0.45 if weather == "rain" else 0.1)
    for cx, cy, size, share in rng.random((num_clouds, 4)):
        width = 0.07 + 0.09 * size
        y = 1 - horizon * (0.06 + 0.6 * cy)
        colour = mix(base, below, 0.15 + 0.35 * share)
        for dx, dy, r in ((-0.8, 0, 0.42), (0, 0.16, 0.62), (0.75, 0.02, 0.46)):
            pen.oval(cx + dx * width, y + dy * width, r * width, r * width * 0.8, colour)
        pen.box(cx - width * 1.15, y - width * 0.36, cx + width * 1.15, y, colour, width * 0.16)


def fog_over(image: Image.Image, light: str, share: float) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, _FOG[light]), share)


def precipitation(
    side: int, weather: str, light: str, rng: np.random.Generator
) -> tuple[Colour, Image.Image] | None:
    """Colour and mask of the rain streaks or snow flakes in front of everything."""
    if weather not in ("rain", "snow"):
        return None
    fine = side * 2
    mask = Image.new("L", (fine, fine), 0)
    draw = ImageDraw.Draw(mask)
    if weather == "rain":
        for u, v, w in rng.random((40, 3)):
            x, y, length = round(u * fine), round((v * 1.1 - 0.1) * fine), (0.05 + 0.06 * w) * fine
            end = (x - round(length * 0.3), y + round(length))
            draw.line([(x, y), end], fill=round(80 + 70 * w), width=max(1, round(fine / 128)))
        return ((206, 222, 240) if light != "night" else (150, 170, 205)), mask.reduce(2)
    for u, v, w in rng.random((42, 3)):
        x, y, radius = round(u * fine), round(v * fine), max(1, round((0.004 + 0.006 * w) * fine))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=round(150 + 80 * w))
    return ((252, 253, 255) if light != "night" else (206, 214, 234)), mask.reduce(2)

"""Composes a picture: background, shadow, things, weather."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFilter

from mindeye.simulate.drawing.backgrounds import INDOORS, Box, draw_background
from mindeye.simulate.drawing.colours import COLOURS, mix, shades_of, tint_of
from mindeye.simulate.drawing.pen import Colour, Pen
from mindeye.simulate.drawing.things import Thing
from mindeye.simulate.drawing.weather import fog_over, precipitation

_SUPERSAMPLING = 3
_HEIGHTS = (0.40, 0.52, 0.66)
_COUNT_FACTORS = (1.0, 0.8, 0.7)
_HIGHEST, _WIDEST = 0.78, (0.92, 0.45, 0.31)
_CENTRES = ((0.33,), (0.5,), (0.67,)), ((0.27, 0.73),), ((0.19, 0.5, 0.81),)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The main thing of a picture: `size` and `position` count from 0 (small, left)."""

    thing: Thing
    colour: str
    count: int
    size: int
    position: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one thing stands: foot and height as shares of the side."""

    x: float
    y: float
    height: float
    mirrored: bool


def _height_of(subject: Subject) -> float:
    """Wide things are drawn less high than narrow ones of the same size."""
    thing, count = subject.thing, subject.count
    height = _HEIGHTS[subject.size] * thing.aspect**-0.35 * _COUNT_FACTORS[count - 1]
    if thing.place == "edge":
        height *= 1.2
    widest = 0.38 if _stands_in_rows(subject) else _WIDEST[count - 1]
    spare = (0.8, 0.9, 1.0) if count == 1 else (0.88, 0.94, 1.0)
    return round(min(height, _HIGHEST, widest * spare[subject.size] / thing.aspect), 4)


def _stands_in_rows(subject: Subject) -> bool:
    """Three wide things: the middle one stands behind the others."""
    return subject.count == 3 and subject.thing.aspect > 1.1


def _places(subject: Subject, horizon: float, rng: np.random.Generator) -> list[Place]:
    """Where each thing stands, the farthest first."""
    thing, height = subject.thing, _height_of(subject)
    choices = _CENTRES[subject.count - 1]
    centres = choices[subject.position if subject.count == 1 else 0]
    mirrored = rng.random() < 0.5
    places = []
    for number, centre in enumerate(centres):
        own = height * (1 if subject.count == 1 else 0.94 + 0.12 * rng.random())
        half = own * thing.aspect / 2
        x = centre + (0.06, 0.02, 0.01)[subject.count - 1] * (rng.random() - 0.5)
        x = min(max(x, half + 0.01), 0.99 - half) if half < 0.49 else 0.5
        y = _foot(subject, own, horizon, rng.random())
        if number == 1 and _stands_in_rows(subject):
            y = max(y - 0.6 * own, own + 0.03 if thing.place == "air" else horizon + 0.05)
        places.append(Place(x=round(x, 4), y=round(y, 4), height=round(own, 4), mirrored=mirrored))
    return sorted(places, key=lambda place: place.y)


def _foot(subject: Subject, height: float, horizon: float, jitter: float) -> float:
    """Where the thing's foot is, as a share of the picture from the top."""
    match subject.thing.place:
        case "edge":
            return 1.0
        case "air":
            high = horizon * 0.62 + height / 2 + 0.08 * (jitter - 0.5)
            return min(0.86, max(height + 0.03, high))
    depth = (0.5, 0.64, 0.78)[subject.size] + 0.12 * (jitter - 0.5)
    return min(0.97, max(horizon + (1 - horizon) * depth, height + 0.03))


def _draw_footing(pen: Pen, subject: Subject, background: str, places: list[Place]) -> None:
    """A pond under what swims on land, an island under what stands at sea."""
    swims = subject.thing.place == "water"
    if subject.thing.place not in ("water", "ground") or swims == (background == "sea"):
        return
    for place in places:
        half = place.height * subject.thing.aspect * (0.62 if swims else 0.58) + 0.03
        y = 1 - place.y
        if swims:
            pen.oval(place.x, y, half, 0.07, (206, 214, 206))
            pen.oval(place.x, y - 0.004, half - 0.012, 0.06, (62, 146, 200))
            pen.oval(place.x, y - 0.014, half - 0.06, 0.035, (92, 172, 216))
        else:
            pen.oval(place.x, y - 0.014, half + 0.02, 0.062, (206, 234, 244))
            pen.oval(place.x, y - 0.008, half, 0.052, (212, 182, 128))
            pen.oval(place.x, y, half - 0.015, 0.045, (240, 216, 164))


def _shadow(side: int, subject: Subject, places: list[Place], horizon: float) -> Image.Image | None:
    """Mask of the soft shadows on the ground."""
    if subject.thing.place in ("water", "edge"):
        return None
    mask = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(mask)
    for place in places:
        half = place.height * subject.thing.aspect * 0.46
        flat = 0.022 + 0.02 * place.height
        y, strength = place.y, 120
        if subject.thing.place == "air":
            y, half, strength = max(horizon + 0.8 * (1 - horizon), place.y + 0.05), half * 0.6, 60
            flat *= 0.8
        bounds = (place.x - half, y - flat, place.x + half, y + flat)
        draw.ellipse([round(side * v) for v in bounds], fill=strength)
    return mask.filter(ImageFilter.BoxBlur(max(1, round(side / 80))))


def _draw_things(
    subject: Subject,
    places: list[Place],
    side: int,
    tint: Callable[[Colour], Colour],
    lit: bool,
    rng: np.random.Generator,
) -> Image.Image:
    fine = side * _SUPERSAMPLING
    layer = Image.new("RGBA", (fine, fine), (0, 0, 0, 0))
    others = [name for name in COLOURS if name not in (subject.colour, "black", "brown")]
    shades = shades_of(subject.colour, others[int(rng.integers(len(others)))])
    for place in places:
        pen = Pen(
            layer,
            origin=(place.x * fine, place.y * fine),
            scale=place.height * fine,
            mirrored=place.mirrored,
            tint=tint,
            lit=lit,
        )
        subject.thing.draw(pen, shades, rng)
    return layer.reduce(_SUPERSAMPLING)


def _paste_things(picture: Image.Image, layer: Image.Image, colour: str, light: str) -> None:
    """Things with a thin rim, dark by day and moonlit at night, so that none melts away."""
    body = COLOURS[colour]
    dusky = light == "night" or (light == "dusk" and max(body) < 140)
    rim_colour = mix(body, (176, 190, 226), 0.6) if dusky else mix(body, (24, 22, 44), 0.72)
    alpha = layer.getchannel("A")
    rim = alpha.filter(ImageFilter.MaxFilter(3)).point([value * 2 // 5 for value in range(256)])
    picture.paste(rim_colour, (0, 0), rim)
    picture.paste(layer, (0, 0), alpha)


def _behind_window(mask: Image.Image, window: Box) -> Image.Image:
    bounds = tuple(value // _SUPERSAMPLING for value in window)
    seen = Image.new("L", mask.size, 0)
    seen.paste(mask.crop(bounds), bounds[:2])
    return seen


def draw_picture(
    subject: Subject,
    background: str,
    light: str,
    weather: str,
    side: int,
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "side side 3"]:
    """A subject in front of a background, under a light and a weather."""
    fine, indoors = side * _SUPERSAMPLING, background == INDOORS
    tint = tint_of(light, weather, thing=False, indoors=indoors)
    thing_tint = tint_of(light, weather, thing=True, indoors=indoors)
    canvas = Image.new("RGB", (fine, fine))
    backdrop = draw_background(canvas, background, light, weather, rng)
    places = _places(subject, backdrop.horizon, rng)
    ground = Pen(canvas, origin=(0, fine), scale=fine, tint=tint)
    _draw_footing(ground, subject, background, places)
    picture = canvas.reduce(_SUPERSAMPLING)
    falling = precipitation(side, weather, light, rng)
    if falling is not None and backdrop.window is not None:
        picture.paste(falling[0], (0, 0), _behind_window(falling[1], backdrop.window))
    shadow = _shadow(side, subject, places, backdrop.horizon)
    if shadow is not None:
        picture.paste(tint((34, 34, 54)), (0, 0), shadow)
    if weather == "fog":
        picture = fog_over(picture, light, 0.2 if indoors else 0.55)
    layer = _draw_things(subject, places, side, thing_tint, light != "day", rng)
    _paste_things(picture, layer, subject.colour, light)
    if weather == "fog" and not indoors:
        picture = fog_over(picture, light, 0.16)
    if falling is not None and not indoors:
        picture.paste(falling[0], (0, 0), falling[1])
    return np.asarray(picture, dtype=np.uint8).copy()

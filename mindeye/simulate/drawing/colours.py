"""Named colours, the shades of one thing, and what light and weather do to a colour."""

from collections.abc import Callable
from dataclasses import dataclass

from mindeye.simulate.drawing.pen import Colour

COLOURS: dict[str, Colour] = {
    "red": (214, 48, 49),
    "orange": (240, 136, 36),
    "yellow": (248, 208, 58),
    "green": (58, 164, 84),
    "blue": (46, 108, 210),
    "purple": (132, 74, 180),
    "pink": (240, 132, 178),
    "brown": (138, 88, 52),
    "white": (242, 242, 238),
    "black": (48, 50, 58),
}
LIGHTS = ("day", "dusk", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")

SKIN = ((250, 214, 182), (228, 178, 138), (176, 122, 86), (118, 78, 56))
HAIR = ((52, 40, 36), (104, 66, 40), (206, 160, 84), (150, 74, 40), (150, 150, 152))
WHITE: Colour = (248, 248, 246)
INK: Colour = (38, 38, 48)
GREEN: Colour = (74, 152, 80)
WOOD: Colour = (126, 84, 56)
STEEL: Colour = (150, 158, 170)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return (r, g, b)


@dataclass(frozen=True, kw_only=True)
class Shades:
    """The colours of one thing: its named body colour, darker and lighter, and a second colour."""

    body: Colour
    dark: Colour
    darker: Colour
    light: Colour
    accent: Colour
    """A second colour that differs from the body."""
    pale: Colour
    """Body colour, nearly white (bellies, muzzles)."""


def shades_of(name: str, accent: str) -> Shades:
    body = COLOURS[name]
    light = mix(body, (255, 255, 255), 0.28)
    if name == "white":
        light = (255, 255, 255)
    return Shades(
        body=body,
        dark=mix(body, (20, 18, 40), 0.22),
        darker=mix(body, (20, 18, 40), 0.45),
        light=light,
        accent=COLOURS[accent],
        pale=mix(body, (255, 250, 240), 0.68),
    )


_TINTS: dict[str, tuple[tuple[float, float, float], Colour]] = {
    "day": ((1.0, 1.0, 1.0), (0, 0, 0)),
    "dusk": ((0.88, 0.70, 0.64), (22, 8, 14)),
    "night": ((0.36, 0.42, 0.60), (8, 12, 28)),
}
_THING_TINTS: dict[str, tuple[tuple[float, float, float], Colour]] = {
    "day": ((1.0, 1.0, 1.0), (0, 0, 0)),
    "dusk": ((0.97, 0.88, 0.82), (8, 3, 5)),
    "night": ((0.76, 0.78, 0.88), (10, 12, 24)),
}
_LAMP_LIT: tuple[tuple[float, float, float], Colour] = ((0.80, 0.66, 0.50), (6, 4, 2))
_LAMP_LIT_THING: tuple[tuple[float, float, float], Colour] = ((0.94, 0.86, 0.74), (8, 6, 4))
# weather -> (share of grey, brightness)
_DULLNESS = {
    "clear": (0.0, 1.0),
    "cloudy": (0.18, 0.95),
    "rain": (0.30, 0.84),
    "snow": (0.20, 1.0),
    "fog": (0.25, 0.98),
}


def tint_of(
    light: str, weather: str, *, thing: bool, indoors: bool = False
) -> Callable[[Colour], Colour]:
    """What light and weather do to a colour; things are spared half, so that they stay visible.

    Indoors a lamp burns at night.
    """
    gains, offsets = (_THING_TINTS if thing else _TINTS)[light]
    if indoors and light == "night":
        gains, offsets = _LAMP_LIT_THING if thing else _LAMP_LIT
    grey_share, brightness = _DULLNESS[weather]
    if thing:
        grey_share, brightness = grey_share * 0.3, 1 - (1 - brightness) * 0.4
    seen: dict[Colour, Colour] = {}

    def tint(colour: Colour) -> Colour:
        if colour not in seen:
            grey = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
            r, g, b = (
                min(
                    255,
                    round((c + (grey - c) * grey_share) * gain * brightness + offset),
                )
                for c, gain, offset in zip(colour, gains, offsets, strict=True)
            )
            seen[colour] = (r, g, b)
        return seen[colour]

    return tint

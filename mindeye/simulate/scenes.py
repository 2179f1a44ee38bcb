"""Made-up scenes: a picture and its caption from (seed, image id) alone.

The attributes of a scene are drawn independently of one another, so that what a thing is and how
its picture looks (colour, light, weather, place) vary independently.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from mindeye.simulate.drawing.backgrounds import BACKGROUNDS
from mindeye.simulate.drawing.colours import COLOURS, LIGHTS, WEATHERS
from mindeye.simulate.drawing.picture import Subject, draw_picture
from mindeye.simulate.drawing.things import THINGS

KINDS: dict[str, str] = {kind: thing.family for kind, thing in THINGS.items()}
"""kind -> family"""

SIZES = ("small", "medium", "large")
POSITIONS = ("left", "centre", "right")

_COUNT_SHARES = (0.7, 0.18, 0.12)
_SIZE_SHARES = (0.25, 0.4, 0.35)
_WEATHER_SHARES = (0.36, 0.22, 0.14, 0.14, 0.14)
_LIGHT_SHARES = (0.55, 0.23, 0.22)

# streams of randomness of one image
_SPECIFICATION, _DRAWING = 0, 1


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is on one picture."""

    image_id: int
    kind: str
    family: str
    colour: str
    count: int
    size: str
    position: str
    """Of a single thing; several share the width."""
    background: str
    weather: str
    light: str
    seed: int


def _generator(seed: int, image_id: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, image_id, stream])))


def _pick(names: tuple[str, ...], draw: float, shares: tuple[float, ...] | None = None) -> str:
    if shares is None:
        return names[int(draw * len(names))]
    total = 0.0
    for name, share in zip(names, shares, strict=True):
        total += share
        if draw < total:
            return name
    return names[-1]


def scene_of(seed: int, image_id: int) -> Scene:
    """The scene of an image id.

    Raises:
        ValueError: a negative seed or image id.
    """
    if seed < 0 or image_id < 0:
        raise ValueError(
            f"A scene was asked for with seed {seed} and image id {image_id}. "
            "Both must be zero or larger."
        )
    draws = _generator(seed, image_id, _SPECIFICATION).random(8).tolist()
    kind = _pick(tuple(KINDS), draws[0])
    return Scene(
        image_id=image_id,
        kind=kind,
        family=KINDS[kind],
        colour=_pick(tuple(COLOURS), draws[1]),
        count=int(_pick(("1", "2", "3"), draws[2], _COUNT_SHARES)),
        size=_pick(SIZES, draws[3], _SIZE_SHARES),
        position=_pick(POSITIONS, draws[4]),
        background=_pick(tuple(BACKGROUNDS), draws[5]),
        weather=_pick(WEATHERS, draws[6], _WEATHER_SHARES),
        light=_pick(LIGHTS, draws[7], _LIGHT_SHARES),
        seed=seed,
    )


def draw_scene(scene: Scene, side: int = 128) -> UInt8[np.ndarray, "side side 3"]:
    """The picture of a scene, the same bytes on every machine with the same Pillow."""
    subject = Subject(
        thing=THINGS[scene.kind],
        colour=scene.colour,
        count=scene.count,
        size=SIZES.index(scene.size),
        position=POSITIONS.index(scene.position),
    )
    rng = _generator(scene.seed, scene.image_id, _DRAWING)
    return draw_picture(subject, scene.background, scene.light, scene.weather, side, rng)


def scene_image(seed: int, image_id: int, side: int = 128) -> UInt8[np.ndarray, "side side 3"]:
    """The picture of an image id."""
    return draw_scene(scene_of(seed, image_id), side)


_PLACES = {
    "meadow": "in a meadow",
    "beach": "on a beach",
    "street": "on a street",
    "desert": "in the desert",
    "snow field": "in a snow field",
    "sea": "at sea",
    "room": "in a room",
    "forest": "in a forest",
    "mountains": "in the mountains",
}
_WHEN = {"day": "by day", "dusk": "at dusk", "night": "at night"}
_OUTDOORS = {
    "clear": "under a clear sky",
    "cloudy": "under a cloudy sky",
    "rain": "in the rain",
    "snow": "in falling snow",
    "fog": "in the fog",
}
_INDOORS = {
    "clear": "with a clear sky outside",
    "cloudy": "with clouds outside",
    "rain": "with rain outside",
    "snow": "with snow falling outside",
    "fog": "with fog outside",
}
_WHERE = {"left": "on the left", "centre": "in the middle", "right": "on the right"}
NUM_PHRASINGS = 5


def _noun(scene: Scene, *, size: bool = True, colour: bool = True) -> str:
    """ "a large red bus", "two persons in blue", "a pizza"."""
    thing = THINGS[scene.kind]
    if colour:
        words = (thing.singular if scene.count == 1 else thing.plural).format(scene.colour)
    else:
        words = _uncoloured(scene)
    if size and scene.size != "medium":
        words = f"{scene.size} {words}"
    if scene.count > 1:
        return f"{('two', 'three')[scene.count - 2]} {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _uncoloured(scene: Scene) -> str:
    thing = THINGS[scene.kind]
    words = thing.singular if scene.count == 1 else thing.plural
    return words.split(" on ")[0].split(" in ")[0].replace("{} ", "")


def caption_of(scene: Scene, phrasing: int = 0) -> str:
    """An English sentence about the scene; `phrasing` (any integer) picks one of five forms.

    The first form tells everything except the position; the others leave attributes out. Every
    form names the kind.
    """
    place, when = _PLACES[scene.background], _WHEN[scene.light]
    weather = (_INDOORS if scene.background == "room" else _OUTDOORS)[scene.weather]
    match phrasing % NUM_PHRASINGS:
        case 0:
            return f"{_noun(scene)} {place} {when} {weather}"
        case 1:
            where = f" {_WHERE[scene.position]}" if scene.count == 1 else ""
            return f"{_noun(scene, size=False)}{where}, {place}"
        case 2:
            return f"a picture of {_noun(scene)} {when}"
        case 3:
            return f"{_noun(scene, size=False, colour=False)} {place} {weather}"
        case _:
            return f"{_noun(scene)} {place}"

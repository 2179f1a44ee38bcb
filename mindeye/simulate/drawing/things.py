"""The table of things: who draws each kind, its family, proportions and where it belongs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mindeye.simulate.drawing import animals, buildings, food, objects, people, vehicles
from mindeye.simulate.drawing.colours import Shades
from mindeye.simulate.drawing.pen import Pen

Draw = Callable[[Pen, Shades, np.random.Generator], None]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """How one kind of thing is drawn and placed."""

    family: str
    draw: Draw
    aspect: float
    """Width per height."""
    place: Literal["ground", "air", "water", "edge"] = "ground"
    """`edge`: cut by the lower edge of the picture."""
    singular: str
    """With the colour's place, e.g. "{} cat" or "person in {}"."""
    plural: str


def _plain(name: str, plural: str = "") -> dict[str, str]:
    return {"singular": "{} " + name, "plural": "{} " + (plural or name + "s")}


def _thing(
    family: str, draw: Draw, aspect: float, words: dict[str, str], place: str = "ground"
) -> Thing:
    return Thing(family=family, draw=draw, aspect=aspect, place=place, **words)


THINGS: dict[str, Thing] = {
    "cat": _thing("animals", animals.cat, 0.78, _plain("cat")),
    "dog": _thing("animals", animals.dog, 1.32, _plain("dog")),
    "bird": _thing("animals", animals.bird, 1.54, _plain("bird"), "air"),
    "fish": _thing("animals", animals.fish, 1.62, _plain("fish", "fish"), "water"),
    "elephant": _thing("animals", animals.elephant, 1.5, _plain("elephant")),
    "giraffe": _thing("animals", animals.giraffe, 0.82, _plain("giraffe")),
    "butterfly": _thing("animals", animals.butterfly, 1.16, _plain("butterfly", "butterflies"),
                        "air"),
    "car": _thing("vehicles", vehicles.car, 1.96, _plain("car")),
    "bus": _thing("vehicles", vehicles.bus, 1.86, _plain("bus", "buses")),
    "bicycle": _thing("vehicles", vehicles.bicycle, 1.6, _plain("bicycle")),
    "sailboat": _thing("vehicles", vehicles.sailboat, 1.2, _plain("sailboat"), "water"),
    "airplane": _thing("vehicles", vehicles.airplane, 2.0, _plain("airplane"), "air"),
    "train": _thing("vehicles", vehicles.train, 1.9, _plain("train")),
    "house": _thing("buildings", buildings.house, 1.2, _plain("house")),
    "skyscraper": _thing("buildings", buildings.skyscraper, 0.48, _plain("skyscraper")),
    "castle": _thing("buildings", buildings.castle, 1.22, _plain("castle")),
    "lighthouse": _thing("buildings", buildings.lighthouse, 0.7, _plain("lighthouse")),
    "pizza": _thing("food", food.pizza, 1.3,
                    {"singular": "pizza on a {} plate", "plural": "pizzas on {} plates"}),
    "apple": _thing("food", food.apple, 0.94, _plain("apple")),
    "banana": _thing("food", food.banana, 1.6, _plain("banana")),
    "cake": _thing("food", food.cake, 1.26, _plain("cake")),
    "person": _thing("people", people.person, 0.52,
                     {"singular": "person in {}", "plural": "persons in {}"}),
    "portrait": _thing("people", people.portrait, 1.06,
                       {"singular": "portrait of a person in {}",
                        "plural": "portraits of persons in {}"}, "edge"),
    "skier": _thing("people", people.skier, 1.28,
                    {"singular": "skier in {}", "plural": "skiers in {}"}),
    "tree": _thing("plants", objects.tree, 0.9, _plain("tree")),
    "flower": _thing("plants", objects.flower, 0.68, _plain("flower")),
    "cactus": _thing("plants", objects.cactus, 0.68,
                     {"singular": "cactus in a {} pot", "plural": "cactuses in {} pots"}),
    "clock": _thing("objects", objects.clock, 0.88, _plain("clock")),
    "umbrella": _thing("objects", objects.umbrella, 1.16, _plain("umbrella")),
    "balloon": _thing("objects", objects.balloon, 0.8, _plain("balloon"), "air"),
}  # fmt: skip

"""Made-up scenes: the same for an id everywhere, varied, and what their captions say."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest

from mindeye.simulate.drawing import picture as picture_module
from mindeye.simulate.drawing.backgrounds import BACKGROUNDS
from mindeye.simulate.drawing.colours import COLOURS, LIGHTS, WEATHERS
from mindeye.simulate.scenes import (
    KINDS,
    NUM_PHRASINGS,
    POSITIONS,
    SIZES,
    Scene,
    caption_of,
    draw_scene,
    scene_image,
    scene_of,
)

ATTRIBUTES = ("kind", "colour", "count", "size", "position", "background", "weather", "light")


def plain_scene(**attributes: object) -> Scene:
    """One large thing in the middle of a clear day's meadow."""
    plain = {
        "count": 1,
        "size": "large",
        "position": "centre",
        "background": "meadow",
        "weather": "clear",
        "light": "day",
        "colour": "red",
    } | attributes
    if "kind" in plain:
        plain["family"] = KINDS[plain["kind"]]
    return dataclasses.replace(scene_of(0, 3), **plain)


def digest(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def test_the_same_id_is_the_same_scene_and_picture():
    assert scene_of(4, 17) == scene_of(4, 17)
    np.testing.assert_array_equal(scene_image(4, 17), draw_scene(scene_of(4, 17)))


def test_another_process_draws_the_same_bytes():
    program = (
        "import hashlib; from mindeye.simulate.scenes import scene_image;"
        "print(*(hashlib.sha256(scene_image(5, i).tobytes()).hexdigest() for i in range(12)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.split() == [digest(scene_image(5, i)) for i in range(12)]


def test_the_order_of_drawing_does_not_matter():
    forward = [digest(scene_image(1, i)) for i in range(8)]
    backward = [digest(scene_image(1, i)) for i in reversed(range(8))]
    assert forward == backward[::-1]


def test_other_ids_and_other_seeds_are_other_pictures():
    pictures = {digest(scene_image(seed, i)) for seed in (0, 1) for i in range(40)}
    assert len(pictures) == 80


def test_attributes_are_independent_of_one_another():
    scenes = [scene_of(0, i) for i in range(3000)]
    codes = {
        name: np.unique([str(getattr(s, name)) for s in scenes], return_inverse=True)[1]
        for name in ATTRIBUTES
    }
    for i, first in enumerate(ATTRIBUTES):
        for second in ATTRIBUTES[i + 1 :]:
            table = np.zeros((codes[first].max() + 1, codes[second].max() + 1))
            np.add.at(table, (codes[first], codes[second]), 1)
            expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
            freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
            chi_square = ((table - expected) ** 2 / expected).sum()
            assert chi_square < freedom + 4.5 * np.sqrt(2 * freedom), (first, second)


def test_every_value_of_every_attribute_occurs():
    scenes = [scene_of(0, i) for i in range(3000)]
    seen = {name: {getattr(scene, name) for scene in scenes} for name in ATTRIBUTES}
    assert seen == {
        "kind": set(KINDS),
        "colour": set(COLOURS),
        "count": {1, 2, 3},
        "size": set(SIZES),
        "position": set(POSITIONS),
        "background": set(BACKGROUNDS),
        "weather": set(WEATHERS),
        "light": set(LIGHTS),
    }


def test_there_are_enough_kinds_families_and_colours():
    assert len(KINDS) >= 20
    assert len(set(KINDS.values())) >= 6
    assert len(COLOURS) >= 8
    assert len(BACKGROUNDS) >= 6


@pytest.mark.parametrize("side", [64, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_drawn(kind: str, side: int):
    scene = plain_scene(kind=kind, count=3, size="small", light="night")
    picture = draw_scene(scene, side)
    assert picture.shape == (side, side, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_thing_takes_enough_of_the_picture(kind: str):
    red, blue = (draw_scene(plain_scene(kind=kind, colour=c)) for c in ("red", "blue"))
    rows, columns = np.nonzero(np.abs(red.astype(int) - blue).sum(-1) > 60)
    extent = max(np.ptp(rows), np.ptp(columns)) / len(red)
    assert extent > 0.25


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("weather", WEATHERS)
def test_every_background_can_be_drawn_in_every_weather(background: str, weather: str):
    pictures = [
        draw_scene(plain_scene(kind="cat", background=background, weather=weather, light=light))
        for light in LIGHTS
    ]
    brightness = [picture.mean() for picture in pictures]
    assert brightness[0] > brightness[1] > brightness[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", ["red", "blue", "green", "purple"])
def test_a_thing_has_its_named_colour_on_a_clear_day(kind: str, colour: str):
    picture = draw_scene(plain_scene(kind=kind, colour=colour, background="snow field"))
    distance = np.abs(picture.astype(int) - np.array(COLOURS[colour])).max(-1)
    assert (distance < 30).mean() > 0.012


def test_edges_are_anti_aliased(monkeypatch: pytest.MonkeyPatch):
    scene = plain_scene(kind="bicycle", background="desert")
    smooth = len(np.unique(draw_scene(scene).reshape(-1, 3), axis=0))
    monkeypatch.setattr(picture_module, "_SUPERSAMPLING", 1)
    jagged = len(np.unique(draw_scene(scene).reshape(-1, 3), axis=0))
    assert smooth > 2.5 * jagged


@pytest.mark.parametrize("attribute", ["colour", "count", "size", "position", "background",
                                       "weather", "light"])  # fmt: skip
def test_each_attribute_changes_the_picture(attribute: str):
    other = {
        "colour": "blue", "count": 2, "size": "small", "position": "left",
        "background": "beach", "weather": "rain", "light": "dusk",
    }[attribute]  # fmt: skip
    plain = draw_scene(plain_scene(kind="bus"))
    changed = draw_scene(plain_scene(kind="bus", **{attribute: other}))
    assert np.abs(plain.astype(int) - changed).mean() > 2


def test_two_things_of_one_kind_differ_in_pose():
    scenes = [dataclasses.replace(plain_scene(kind="dog"), image_id=i) for i in range(8)]
    assert len({digest(draw_scene(scene)) for scene in scenes}) == 8


@pytest.mark.parametrize("phrasing", range(NUM_PHRASINGS))
def test_every_caption_names_the_kind(phrasing: int):
    for image_id in range(300):
        scene = scene_of(0, image_id)
        stem = {"butterfly": "butterfl"}.get(scene.kind, scene.kind)
        caption = caption_of(scene, phrasing)
        assert stem in caption
        assert "{" not in caption
        assert "  " not in caption


def test_captions_read_like_this():
    bus = plain_scene(kind="bus", background="beach", light="dusk", weather="rain")
    assert caption_of(bus) == "a large red bus on a beach at dusk in the rain"
    assert caption_of(bus, 1) == "a red bus in the middle, on a beach"
    assert caption_of(bus, 2) == "a picture of a large red bus at dusk"
    assert caption_of(bus, 3) == "a bus on a beach in the rain"
    assert caption_of(bus, 4) == "a large red bus on a beach"
    assert caption_of(bus, NUM_PHRASINGS) == caption_of(bus)
    pair = plain_scene(kind="person", colour="orange", count=2, size="small")
    assert caption_of(pair, 4) == "two small persons in orange in a meadow"
    apple = plain_scene(kind="apple", colour="orange", size="medium", background="room")
    assert caption_of(apple) == "an orange apple in a room by day with a clear sky outside"
    assert caption_of(plain_scene(kind="pizza"), 3) == "a pizza in a meadow under a clear sky"


def test_a_negative_id_is_refused():
    with pytest.raises(ValueError, match="image id -1"):
        scene_of(0, -1)

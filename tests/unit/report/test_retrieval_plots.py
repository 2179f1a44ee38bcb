import io

import numpy as np
import pytest
from PIL import Image

from mindeye.report.plots import COLOURS, DARK, LIGHT
from mindeye.report.retrieval_page import audit_notes, benchmark_sections
from mindeye.report.retrieval_plots import (
    hub_curves,
    on_white,
    pool_curves,
    saved_figures,
    tenth_curves,
)

DIRECTIONS = ("image retrieval", "brain retrieval")


def subject(label: str, system: str = "ours", value: float = 0.8, training: bool = True) -> dict:
    curve = [[value, value - 0.1, value + 0.1]] * 3
    wins = {"share_of_ten": 0.5, "skewness": 1.0, "never": 0.25, "wins": [3, 1, 1, 0]}
    part = {"from": 0.1, "to": 0.3, "n": 2, **dict.fromkeys(DIRECTIONS, curve[0])}
    alike = {
        "median": 0.4,
        "most": 0.9,
        "share above": {"0.9": 0.0},
        "closest": [{"image_id": 7, "other_id": 9, "similarity": 0.9}],
    }
    learned = {**alike, "metric": "top-1 of 3", "tenths": [part, {**part, "from": 0.5, "to": 0.6}]}
    return {
        "label": label,
        "system": system,
        "pool_curve": {
            "pool sizes": [2, 3, 4],
            "chance": [1 / 2, 1 / 3, 1 / 4],
            **dict.fromkeys(DIRECTIONS, curve),
        },
        "hubs": {"at random": {**wins, "wins": []}, **dict.fromkeys(DIRECTIONS, wins)},
        "near_duplicates": {"pool": alike, "training": learned if training else None},
    }


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)


def has_colour(png: bytes, colour: str) -> bool:
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
    return bool((np.abs(pixels(png)[..., :3] - wanted).sum(-1) < 6).any())


@pytest.mark.parametrize("draw", [pool_curves, hub_curves, tenth_curves])
def test_each_direction_has_a_figure_in_the_ink_of_the_page(draw):
    light, dark = (draw([subject("ours")], theme) for theme in (LIGHT, DARK))
    assert [name.partition(",")[0] for name in light] == list(DIRECTIONS)
    for name in light:
        assert has_colour(light[name], COLOURS[0])
        assert has_colour(light[name], LIGHT.ink)
        assert has_colour(dark[name], DARK.ink)
        assert not has_colour(dark[name], LIGHT.ink)


def test_systems_have_colours_and_subjects_of_a_lone_system_too():
    two = [subject("a, subject 1", "a"), subject("b, subject 1", "b", 0.5)]
    alone = [subject("a, subject 1", "a"), subject("a, subject 2", "a", 0.5)]
    for subjects in (two, alone):
        png = pool_curves(subjects, LIGHT)["image retrieval, top-1"]
        assert has_colour(png, COLOURS[0])
        assert has_colour(png, COLOURS[1])
    same = [*two, subject("a, subject 2", "a", 0.3)]
    png = pool_curves(same, LIGHT)["image retrieval, top-1"]
    assert not has_colour(png, COLOURS[2])


def test_subjects_without_training_images_are_left_out_of_their_figure():
    assert tenth_curves([subject("ours", training=False)], LIGHT) == {}
    assert len(benchmark_sections([subject("ours", training=False)])) == 2
    both = [subject("ours", training=False), subject("other", "other", 0.5)]
    assert len(tenth_curves(both, LIGHT)) == 2
    assert len(benchmark_sections(both)) == 3


def test_saved_figures_have_a_white_ground_and_names_for_files():
    saved = saved_figures([subject("ours")])
    assert sorted(saved) == [
        f"{kind}_{way}" for kind in ("hubs", "near_duplicates", "pool_curve")
        for way in ("brain", "image")
    ]  # fmt: skip
    assert (pixels(saved["hubs_image"])[0, 0] == 255).all()
    transparent = hub_curves([subject("ours")], LIGHT)["image retrieval, queries won"]
    assert pixels(transparent)[0, 0, 3] == 0
    assert (pixels(on_white(transparent))[..., 3] == 255).all()


def test_near_duplicates_of_the_same_images_are_told_once():
    notes = audit_notes([subject("a", "a"), subject("b", "b")])
    assert len([note for note in notes if note.startswith("Hubs of")]) == 2
    assert len([note for note in notes if note.startswith("All: likeness")]) == 2
    assert "(image 7 with 9)" in notes[-1]
    (*_, last) = audit_notes([subject("a", training=False)])
    assert last.startswith("a: no training images were given")

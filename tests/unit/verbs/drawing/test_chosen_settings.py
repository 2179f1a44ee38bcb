"""Which generator draws a run, with which numbers, and what is said of it."""

from dataclasses import replace

import pytest

from mindeye.cli import main, make_parser
from mindeye.models.architecture import read_architecture, write_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.reconstruction.generators.catalogue import CATALOGUE
from mindeye.reconstruction.settings import (
    ReconstructionConfig,
    drawing_settings,
    published_settings,
)
from mindeye.verbs.drawing.chosen_settings import (
    settings_at_hand,
    settings_for,
    told_of_generator,
)

# Shape and form -> who is published for them; and the tiny run's own, for which nobody is.
FITTING = {
    ((257, 768), "projected"): "versatile",
    ((1, 768), "embedding"): "image-variations",
    ((256, 1664), "patches"): "unclip",
    ((257, 1280), "penultimate"): "ip-adapter-sdxl",
    ((257, 768), "patches"): "scenes",
    ((5, 16), "projected"): "scenes",
}


@pytest.fixture
def decoding(finished_run, change_json):
    """(shape, form) -> the run as if it had learned such tokens."""

    def change(token_shape, form, **more):
        path = finished_run / ARCHITECTURE_FILE
        write_architecture(path, replace(read_architecture(path), token_shape=token_shape))
        told = {"clip_tokens": form, **more}
        change_json(finished_run / "provenance.json", lambda one: one.update(told))
        return finished_run

    return change


@pytest.mark.parametrize("tokens", FITTING, ids=str)
def test_without_a_choice_the_published_generator_of_the_runs_tokens_draws_as_published(
    tokens, decoding
):
    name = FITTING[tokens]
    config = settings_for(decoding(*tokens), None, {})
    assert config == drawing_settings("none", name)
    assert (config.generator, config.steps) == (name, CATALOGUE[name].defaults.steps)


def test_the_offline_generators_defaults_are_those_of_the_settings():
    assert drawing_settings("none", "scenes") == ReconstructionConfig()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("versatile", (20, 3.5, 0.85)),
        ("image-variations", (20, 7.5, 0.85)),
        ("unclip", (38, 5.0, 1.0)),
        ("ip-adapter-sdxl", (30, 5.0, 0.7)),
        ("ip-adapter-sd15", (30, 7.5, 0.7)),
    ],
)
def test_every_published_generator_has_defaults_of_its_own(name, numbers):
    config = drawing_settings("none", name)
    assert (config.steps, config.guidance, config.strength) == numbers
    assert replace(config, steps=8, guidance=2.0, strength=0.7) == ReconstructionConfig(
        generator=name
    )
    assert CATALOGUE[name].defaults.source


@pytest.mark.parametrize("system", ["mindeye1", "mindeye2"])
def test_a_system_that_is_followed_wins_over_a_generator_that_it_does_not_draw_with(system):
    for name, facts in CATALOGUE.items():
        config = drawing_settings(system, name)
        if facts.defaults.system == system:
            assert config.steps == facts.defaults.steps
            assert config.guidance == facts.defaults.guidance
        else:
            assert config == replace(published_settings(system), generator=name)


def test_what_is_given_wins_over_the_generators_own_defaults(decoding):
    given = {"guidance": 1.5, "generator": "ip-adapter-sd15", "strength": 0.9}
    config = settings_for(decoding((257, 768), "projected"), None, given)
    assert (config.generator, config.steps, config.guidance) == ("ip-adapter-sd15", 30, 1.5)
    assert config.strength == 0.9


def test_decoding_chooses_what_can_draw_here(decoding, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    run = decoding((257, 768), "projected")
    absent = settings_at_hand(run, None, {}, source=None, clip=None)
    assert absent == ReconstructionConfig()
    there = settings_at_hand(run, None, {}, source=tmp_path, clip=None)
    assert there == drawing_settings("none", "versatile")
    asked = settings_at_hand(run, None, {"generator": "versatile"}, source=None, clip=None)
    assert asked == there


def test_a_converted_run_is_drawn_only_with_a_clip(decoding, tmp_path):
    converted = {"networks": None, "data": [], "converted": {"family": "mindeye2"}}
    run = decoding((256, 1664), "patches", **converted)
    given = {"source": tmp_path}
    assert settings_at_hand(run, "none", {}, **given, clip=None).generator == "scenes"
    assert settings_at_hand(run, "none", {}, **given, clip=tmp_path).generator == "unclip"


def told(run, compat, **given) -> list[str]:
    return list(told_of_generator(run, compat, settings_for(run, compat, given), given))


def test_the_generator_and_its_numbers_are_told(decoding, finished_run):
    assert told(finished_run, None) == ["scenes draws: 8 steps, guidance 2, strength 0.7"]
    run = decoding((257, 768), "projected")
    assert told(run, "mindeye1") == ["versatile draws: 20 steps, guidance 3.5, strength 0.85"]
    sweep = told_of_generator(run, None, settings_for(run, None, {}), {}, strengths=True)
    assert list(sweep) == ["versatile draws: 20 steps, guidance 3.5"]


@pytest.mark.parametrize(
    ("system", "taken"),
    [
        ("mindeye1", "MindEye1 draws with versatile, which takes 257 x 768 tokens (projected)"),
        ("mindeye2", "MindEye2 draws with unclip, which takes 256 x 1664 tokens (patches)"),
    ],
)
def test_a_published_system_without_its_generator_is_told_with_the_way_to_it(
    finished_run, system, taken
):
    lines = told(finished_run, system)
    assert len(lines) == 2
    assert lines[1].startswith(taken)
    assert "this run decodes 5 x 16 (projected)" in lines[1]
    assert f"train as train/configs/{system}" in lines[1]
    assert len(told(finished_run, system, generator="scenes")) == 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_more_steps_than_noise_levels_are_refused_with_both_values(name):
    with pytest.raises(ValueError, match=rf"{name} knows 1000 noise levels, but 2000 steps"):
        ReconstructionConfig(generator=name, steps=2000)
    ReconstructionConfig(generator=name, steps=1000)


def test_the_command_line_refuses_them_before_anything_is_read(finished_run, tmp_path, capsys):
    line = ["reconstruct", str(finished_run), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as stop:
        main([*line, "--generator", "versatile", "--steps", "2000"])
    assert stop.value.code == 2
    assert "Choose 1000 or fewer with --steps" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_line_tells_the_generator_first(finished_run, tmp_path, capsys):
    main(["reconstruct", str(finished_run), "--out", str(tmp_path / "out"), "--dry-run"])
    assert capsys.readouterr().out.startswith("scenes draws: 8 steps, guidance 2, strength 0.7\n")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--device", "nowhere"], "nowhere"),
        (["--calibration", "absent"], "absent"),
    ],
)
def test_a_dry_run_refuses_what_the_drawing_would(given, message, finished_run, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        main(["reconstruct", str(finished_run), "--out", str(out), "--dry-run", *given])
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "pictures to draw" not in told.out
    assert not out.exists()


def test_the_help_says_that_defaults_are_the_generators_own(capsys):
    (action,) = (one for one in make_parser()._actions if one.choices and "demo" in one.choices)
    for verb in ("reconstruct", "decode"):
        text = " ".join(action.choices[verb].format_help().split())
        assert text.count("of a published generator as published") == 3

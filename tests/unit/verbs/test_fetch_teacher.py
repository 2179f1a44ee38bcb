"""The program that fetches teachers, with the published file already at hand."""

import runpy
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from mindeye.targets import published_teachers
from mindeye.targets.feature_maps import load_maps
from mindeye.targets.published_teachers import PublishedTeacher
from mindeye.verbs import fetch_teacher as fetching

PROGRAM = Path(__file__).parents[3] / "data_scripts" / "map_teachers.py"


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """A small network of timm under a published name, and the file that the hub has of it."""
    about = PublishedTeacher(
        hub="timm/test_vit",
        terms="Apache-2.0",
        megabytes=1,
        side=256,
        map_width=64,
        timm="test_vit",
    )
    for module in (published_teachers, fetching):
        monkeypatch.setattr(module, "PUBLISHED_TEACHERS", {"tiny": about})
    folder = tmp_path / "downloads"
    folder.mkdir()
    with torch.random.fork_rng():
        save_file(timm.create_model("test_vit").state_dict(), folder / "model.safetensors")
    return folder


@pytest.fixture
def program(monkeypatch, capsys):
    def run(*arguments) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [str(PROGRAM), *map(str, arguments)])
        try:
            runpy.run_path(str(PROGRAM), run_name="__main__")
        except SystemExit as end:
            return end.code, capsys.readouterr().err
        return 0, capsys.readouterr().out

    return run


def test_a_fetched_teacher_can_be_opened_by_its_name(downloads, program, tmp_path, monkeypatch):
    out = tmp_path / "networks"
    code, said = program("tiny", "--out", out, "--files", downloads)
    assert code == 0
    monkeypatch.setenv("MINDEYE_NETWORKS", str(out))
    monkeypatch.chdir(tmp_path)
    target = load_maps("tiny")
    assert said == f"{out / 'tiny'}: {target.identity}, 256 places of 64 features\n"
    assert (target.side, target.mean) == (256, (0.5, 0.5, 0.5))  # as timm tells of test_vit
    assert sorted(one.name for one in out.iterdir()) == ["tiny"]


def test_side_and_layer_are_the_users_choice(downloads, program, tmp_path):
    program("tiny", "--out", tmp_path / "nets", "--files", downloads, "--side", 96, "--layer", 2)
    target = load_maps(tmp_path / "nets" / "tiny")
    assert target.map_shape == (36, 64)
    assert "-96px-layer2" in target.identity


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("huge",), "Unknown teacher `huge`. Choose one of tiny"),
        (("tiny", "--side", "100"), "no multiple of 16"),
        (("tiny", "--layer", "9"), "`layer` is 9, but test_vit has 6"),
        (
            ("tiny", "--files", "nowhere"),
            "nowhere/model.safetensors is missing. Fetch it from timm",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_left(
    downloads, program, tmp_path, arguments, text
):
    files = () if "--files" in arguments else ("--files", downloads)
    code, said = program(*arguments, "--out", tmp_path / "networks", *files)
    assert code == 2
    assert text in said
    assert not list((tmp_path / "networks").glob("*"))


def test_without_a_connection_the_sentence_says_what_to_do(
    downloads, program, tmp_path, monkeypatch
):
    def offline(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(fetching, "hf_hub_download", offline)
    code, said = program("tiny", "--out", tmp_path / "networks")
    assert code == 2
    assert "model.safetensors of timm/test_vit could not be fetched (no route)" in said


def test_the_list_tells_addresses_sizes_and_terms(program):
    code, said = program("--list")
    assert code == 0
    assert "vicregl-xl: pscotti/mindeyev2, 6,600 MB [CC BY-NC 4.0" in said

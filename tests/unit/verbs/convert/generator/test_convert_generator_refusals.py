"""What `mindeye convert unclip` refuses, and that it then leaves nothing behind."""

import os
from pathlib import Path

import pytest
import torch

from mindeye.cli import main
from mindeye.verbs import convert_generator
from mindeye.verbs.benchmarks.random_sdxl import (
    TINY_UNCLIP_UNET,
    TINY_VAE,
    random_unet,
    random_vae,
)

UNET_KEY = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"


def without(state: dict, *names: str) -> dict:
    return {name: one for name, one in state.items() if name not in names}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda state: without(state, UNET_KEY),
            [
                "`down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight`",
                "is missing in this checkpoint.",
            ],
        ),
        (
            lambda state: without(state, "model.diffusion_model.label_emb.0.0.weight"),
            ["`model.diffusion_model.label_emb.0.0.weight` is missing"],
        ),
        (
            lambda state: state | {"model.diffusion_model.adapter.weight": torch.ones(2)},
            ["`model.diffusion_model.adapter.weight` is unknown to the UNet2DConditionModel"],
        ),
        (
            lambda state: state | {"first_stage_model.loss.weight": torch.ones(2)},
            ["`first_stage_model.loss.weight` is unknown to the AutoencoderKL"],
        ),
        (
            lambda state: state | {"model_ema.decay": torch.ones(1), "model_ema.n": torch.ones(1)},
            ["`model_ema.decay` is no part of an unCLIP of sgm, and 1 more"],
        ),
        (
            lambda state: state | {UNET_KEY: torch.ones(16, 7)},
            [f"`{UNET_KEY}` is [16, 7] instead of [16, 12]", "another generator"],
        ),
        (
            lambda state: {name: one for name, one in state.items() if "diffusion" not in name},
            ["holds no UNet", "`model.diffusion_model.`", "its first is `first_stage_model."],
        ),
    ],
    ids=["missing", "missing condition", "extra", "extra of the VAE", "other part", "shape", "no"],
)
def test_another_checkpoint_is_refused_by_names_and_leaves_nothing(
    tmp_path, convert, save_unclip, unclip_state, spoil, told
):
    file = save_unclip(tmp_path / "spoiled.ckpt", spoil(unclip_state))
    with pytest.raises((LookupError, ValueError)) as caught:
        convert(file, tmp_path / "unclip")
    for part in told:
        assert part in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["spoiled.ckpt"]


class Poison:
    """Runs a command in whoever unpickles it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_a_poisoned_checkpoint_runs_nothing(tmp_path, convert, unclip_state):
    marker = tmp_path / "ran"
    torch.save({"state_dict": unclip_state, "callbacks": Poison(marker)}, tmp_path / "bad.ckpt")
    with pytest.raises(ValueError, match="would run code"):
        convert(tmp_path / "bad.ckpt", tmp_path / "unclip")
    assert not marker.exists()


def test_a_taken_folder_and_a_full_disk_are_refused_before_anything_is_written(
    unclip_path, tmp_path, convert, monkeypatch
):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        convert(unclip_path, tmp_path / "taken")
    asked = []

    def full(folder, num_bytes, what):
        asked.append(num_bytes)
        raise OSError("full")

    monkeypatch.setattr(convert_generator, "require_free_space", full)
    with pytest.raises(OSError, match="full"):
        convert(unclip_path, tmp_path / "unclip")
    modules = (random_unet(TINY_UNCLIP_UNET), random_vae(TINY_VAE))
    assert asked == [4 * sum(p.numel() for one in modules for p in one.parameters())]
    assert not (tmp_path / "unclip").exists()


def refusal(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["convert", *arguments])
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_the_command_line_refuses_what_a_generator_has_not(unclip_path, tmp_path, capsys):
    given = ["unclip", str(unclip_path)]
    assert "--out FOLDER" in refusal(given, capsys)
    given += ["--out", str(tmp_path / "unclip")]
    assert "--subjects is of no use" in refusal([*given, "--subjects", "1"], capsys)
    assert "--keep-idle is of no use" in refusal([*given, "--keep-idle"], capsys)
    assert "more. Is it another checkpoint?" in refusal(given, capsys)
    assert "There is no checkpoint" in refusal(["unclip", "no.ckpt", *given[2:]], capsys)
    assert "mindeye2 and, of generators, unclip" in refusal(
        ["unclipped", *given[1:], "--subjects", "1"], capsys
    )
    assert not (tmp_path / "unclip").exists()

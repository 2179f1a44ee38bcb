import os
from pathlib import Path

import pytest
import torch

from mindeye.cli import main
from mindeye.models.published import to_mindeye2
from mindeye.verbs.convert import convert_checkpoint


def refusal(arguments: list[str], capsys) -> str:
    """The message of a conversion that is refused, with nothing left behind."""
    with pytest.raises(SystemExit) as caught:
        main(["convert", *arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_a_run_of_the_other_family_is_not_written_back(tmp_path, mindeye2_path, capsys):
    convert_checkpoint("mindeye2", mindeye2_path, subjects=[1, 2], out=tmp_path / "run")
    assert "MindEye1" in refusal(["--to", "mindeye1", str(tmp_path / "run")], capsys)
    assert not (tmp_path / "run" / "mindeye1.pth").exists()


class Poison:
    """Runs a command in whoever unpickles it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def without(state: dict, name: str) -> dict:
    return {key: one for key, one in state.items() if key != name}


SPOILED = {
    "missing": (
        lambda state: without(state, "backbone.backbone_linear.bias"),
        ["`backbone.backbone_linear.bias` is missing", "`backbone.backbone_linear.weight`", ","],
    ),
    "extra": (
        lambda state: state | {"backbone.backbone_linear.gain": torch.ones(2)},
        ["`backbone.backbone_linear.gain`", "nearest", "`backbone.backbone_linear.bias`"],
    ),
    "misshapen": (
        lambda state: state | {"backbone.clip_proj.3.weight": torch.ones(5)},
        ["`backbone.clip_proj.3.weight` is [5] instead of [12]"],
    ),
    "other family": (
        lambda state: {"net.a": torch.ones(2), "voxel2clip.lin0.0.weight": torch.ones(2, 2)},
        ["MindEye1 checkpoint, not a MindEye2 one"],
    ),
    "no weights": (lambda state: {}, ["holds no weights"]),
    "object": (lambda state: state | {"extra": torch.device("cpu")}, ["`extra`", "torch.device"]),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_spoiled_checkpoint_is_refused_by_name_and_nothing_is_written(
    tmp_path, mindeye2_path, mindeye2_decoder, save_checkpoint, kind, capsys
):
    spoil, fragments = SPOILED[kind]
    save_checkpoint(mindeye2_path, spoil(to_mindeye2(mindeye2_decoder)))
    before = sorted(tmp_path.iterdir())
    out = ["--out", str(tmp_path / "run"), "--subjects", "1", "2"]
    message = refusal(["mindeye2", str(mindeye2_path), *out], capsys)
    assert all(fragment in message for fragment in fragments), message
    assert sorted(tmp_path.iterdir()) == before


def test_poison_and_cut_files_are_refused_and_nothing_is_written(
    tmp_path, mindeye2_path, mindeye2_decoder, save_checkpoint, capsys
):
    marker = tmp_path / "ran"
    out = ["--out", str(tmp_path / "run"), "--subjects", "1", "2"]
    content = mindeye2_path.read_bytes()
    mindeye2_path.write_bytes(content[: len(content) // 2])
    assert "cut off" in refusal(["mindeye2", str(mindeye2_path), *out], capsys)
    state = to_mindeye2(mindeye2_decoder) | {"a": Poison(marker)}
    save_checkpoint(mindeye2_path, state)
    message = refusal(["mindeye2", str(mindeye2_path), *out], capsys)
    assert "`posix.system`" in message
    assert [path.name for path in tmp_path.iterdir()] == ["last.pth"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subjects", "2", "1"], "15724 voxels, which is subject 1's nsdgeneral"),
        (["--subjects", "1"], "ridge layers"),
        (["--subjects", "1", "9"], "NSD has subjects 1 to 8, not 9"),
        (["--subjects", "1", "1"], "Name each once"),
        ([], "--subjects"),
        (["--subjects", "1", "2", "--low-level", "x.pth"], "Leave --low-level out"),
    ],
)
def test_other_subjects_are_refused(tmp_path, mindeye2_path, arguments, message, capsys):
    found = refusal(
        ["mindeye2", str(mindeye2_path), "--out", str(tmp_path / "run"), *arguments], capsys
    )
    assert message in found
    assert not (tmp_path / "run").exists()


def test_low_level_weights_of_another_subject_are_refused(
    tmp_path, mindeye1_paths, save_checkpoint, capsys
):
    high, low = mindeye1_paths
    state = torch.load(low, weights_only=False)["model_state_dict"]
    save_checkpoint(low, state | {"module.lin0.0.weight": torch.ones(8, 15724)})
    out = ["--out", str(tmp_path / "run"), "--subjects", "5", "--low-level", str(low)]
    message = refusal(["mindeye1", str(high), *out], capsys)
    assert "`lin0.0.weight` is [8, 15724] instead of [8, 13039]" in message
    assert not (tmp_path / "run").exists()


def test_a_taken_folder_is_left_alone(tmp_path, mindeye2_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letters.txt").write_text("mine")
    out = ["--out", str(tmp_path / "run"), "--subjects", "1", "2"]
    assert "is not empty" in refusal(["mindeye2", str(mindeye2_path), *out], capsys)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["letters.txt"]

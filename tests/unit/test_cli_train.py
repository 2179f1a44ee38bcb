"""`mindeye train` as it is typed, and what the verbs say to a training that has not ended."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.cli import main
from mindeye.config import dump_yaml
from mindeye.run import RunFolder


@pytest.fixture
def config_path(tmp_path, tiny_experiment) -> Path:
    path = tmp_path / "tiny.yaml"
    dump_yaml(tiny_experiment, path)
    return path


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def refusal(arguments: list[str], capsys) -> str:
    """The one message of a command that is refused."""
    assert exit_code(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert error.count("mindeye: ") == 1
    return error.split("mindeye: ")[1]


def test_an_unknown_config_key_names_the_likely_one(config_path, tmp_path, capsys):
    text = config_path.read_text().replace("num_blocks", "num_block")
    config_path.write_text(text)
    message = refusal(["train", str(config_path), "--out", str(tmp_path / "run")], capsys)
    assert "Did you mean `decoder.backbone.num_blocks`?" in message
    assert not (tmp_path / "run").exists()


def test_an_absent_config_is_named(tmp_path, capsys):
    arguments = ["train", str(tmp_path / "absent.yaml"), "--out", str(tmp_path / "run")]
    assert "No configuration at" in refusal(arguments, capsys)


def test_an_unknown_override_of_train_is_refused(config_path, tmp_path, capsys):
    arguments = ["train", str(config_path), "--out", str(tmp_path / "run"), "--schedule.epoch", "3"]
    assert exit_code(arguments) == 2
    assert "schedule.epoch" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_train_takes_overrides_and_a_second_config_is_refused(config_path, tmp_path, capsys):
    run = str(tmp_path / "run")
    main(["train", str(config_path), "--out", run, "--schedule.num-epochs", "1"])
    assert f"run: {run}" in capsys.readouterr().out
    assert "schedule.num_epochs: 4 here, 1 there" in refusal(
        ["train", str(config_path), "--out", run], capsys
    )


def test_keys_lists_what_can_be_overridden(config_path, tmp_path, capsys):
    assert exit_code(["train", str(config_path), "--out", str(tmp_path / "run"), "--keys"]) == 0
    assert "--schedule.learning-rate" in capsys.readouterr().out


def test_an_unfinished_run_is_refused_with_what_to_do(
    config_path, tmp_path, tiny_experiment, capsys
):
    RunFolder(path=tmp_path / "run").begin(replace(tiny_experiment, seed=1), {"data": []})
    message = refusal(["retrieve", str(tmp_path / "run")], capsys)
    assert "its training has not ended" in message


def test_a_dry_run_prints_the_plan_and_writes_nothing(config_path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mindeye.training.hardware.measured.__defaults__", (0.01,))
    main(["train", str(config_path), "--out", str(tmp_path / "run"), "--dry-run"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ridge ")
    text = "\n".join(lines)
    for part in (
        "GB of memory at most",
        "TFLOP a step of 8 trials",
        "disk: ",
        "measured on this CPU",
    ):
        assert part in text
    assert lines[-1].endswith("steps; training images subject 1: 24. Nothing was written.")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_for_scripts_counts_for_another_machine(config_path, tmp_path, capsys):
    arguments = ["train", str(config_path), "--out", str(tmp_path / "run"), "--dry-run", "--json"]
    main([*arguments, "--tflops", "1e-6", "--terabytes-per-s", "1e-6"])
    found = json.loads(capsys.readouterr().out)
    assert found["num_parameters"] == sum(found["parameters"].values())
    seconds = found["flop_per_step"] / 1e6 + found["moved_bytes_per_step"] / 1e6
    assert found["hours"] == pytest.approx(found["num_steps"] * seconds / 3600)
    assert "give --tflops and --terabytes-per-s" in refusal([*arguments, "--tflops", "9"], capsys)
    wrong = [*arguments, "--tflops", "0", "--terabytes-per-s", "1"]
    assert "Both must be more than 0" in refusal(wrong, capsys)


def test_a_profile_prints_operators_and_ends_before_the_last_step(config_path, tmp_path, capsys):
    run = tmp_path / "run"
    main(["train", str(config_path), "--out", str(run), "--profile", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 steps on cpu, after 3 to warm up"
    assert any(line.startswith("aten::") for line in lines)
    assert str(run / "profile" / "trace.json") in lines[-2]
    assert not RunFolder(path=run).is_finished
    main(["train", str(config_path), "--out", str(run)])
    message = refusal(["train", str(config_path), "--out", str(run), "--profile"], capsys)
    assert "is finished: no step is left" in message


def test_samples_and_trackers_are_written_into_the_run(config_path, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["train", str(config_path), "--out", str(run), "--samples", "2"]
    main([*arguments, "--sample-every", "3", "--tracker", "tensorboard"])
    assert {path.name for path in (run / "samples").iterdir()} == {"epoch_003.png", "epoch_004.png"}
    assert list((run / "trackers" / "tensorboard").glob("events.out.tfevents.*"))


def test_an_unknown_tracker_and_no_samples_are_refused_before_anything_is_written(
    config_path, tmp_path, capsys
):
    arguments = ["train", str(config_path), "--out", str(tmp_path / "run")]
    assert exit_code([*arguments, "--tracker", "paper"]) == 2
    assert "tensorboard" in capsys.readouterr().err
    assert "0 sample images" in refusal([*arguments, "--samples", "0"], capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json"], "--json was given without --dry-run"),
        (["--tflops", "9"], "--tflops was given without --dry-run"),
        (["--sample-every", "2"], "--sample-every was given without --samples"),
        (["--dry-run", "--profile", "3"], "--dry-run was given with --profile"),
        (["--profile", "--samples", "2"], "--profile was given with --samples"),
        (["--dry-run", "--tracker", "tensorboard"], "--dry-run was given with --tracker"),
        (["--tflops", "0"], "--tflops was given without --dry-run"),
        (["--dry-run", "--samples", "0"], "--dry-run was given with --samples"),
    ],
)
def test_options_without_effect_are_refused(config_path, tmp_path, capsys, options, message):
    run = tmp_path / "run"
    assert message in refusal(["train", str(config_path), "--out", str(run), *options], capsys)
    assert not run.exists()


def test_a_file_in_the_place_of_the_run_is_named_and_kept(config_path, capsys):
    before = config_path.read_bytes()
    assert "is a file" in refusal(["train", str(config_path), "--out", str(config_path)], capsys)
    assert config_path.read_bytes() == before


def test_what_was_kept_is_told_where_it_was_chosen(config_path, tmp_path, capsys):
    arguments = ["train", str(config_path), "--out", str(tmp_path / "run")]
    main([*arguments, "--choice.weights", "best", "--choice.patience", "1"])
    told = capsys.readouterr().out
    choice = RunFolder(path=tmp_path / "run").provenance()["choice"]
    assert f"kept: the weights of step {choice['step']}\n" in told
    assert ("ended early, after step" in told) == choice["ended_early"]

"""The whole road on the small simulated subject, by the same commands that a user types."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from safetensors.numpy import load_file

pytestmark = pytest.mark.filterwarnings("ignore")


def mindeye(*arguments, check=True):
    """Runs the console program in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "mindeye", *map(str, arguments)], capture_output=True, text=True
    )
    assert not check or result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    mindeye("demo", "--out", out, "--preset", "tiny", "--images", 30)
    return out


@pytest.fixture(scope="module")
def rows(demo):
    summary = json.loads((demo / "summary.json").read_text())
    return {(row["system"], row["metric"]): row for row in summary["rows"]}


def test_retrieval_beats_chance_by_ten_times(rows):
    row = rows["mindeye", "image retrieval top-1 of 50"]
    assert row["value"] > 10 * row["chance"]
    assert row["low"] > row["chance"]


def test_pictures_are_identified_better_than_chance(rows):
    metric = "two-way identification (CLIP)"
    assert rows["mindeye", metric]["low"] > 0.5
    assert (
        rows["mindeye", metric]["value"] > rows["chance: pictures dealt at random", metric]["high"]
    )


def test_the_subject_without_signal_stays_within_its_interval_of_chance(rows):
    control = "control: no-signal subject"
    row = rows[control, "image retrieval top-1 of 50"]
    assert row["low"] <= row["chance"] <= row["high"]
    metric = "two-way identification (CLIP)"
    chance = rows["control: pictures dealt at random", metric]
    assert chance["low"] < 0.5 < chance["high"]
    assert chance["low"] <= rows[control, metric]["value"] <= chance["high"]


def test_true_tokens_are_a_ceiling_and_shuffled_scans_a_floor(rows):
    metric = "two-way identification (CLIP)"
    ours = rows["mindeye", metric]["value"]
    assert rows["ceiling: true tokens", metric]["value"] > ours
    assert rows["floor: shuffled scans", metric]["value"] < ours


def test_every_artefact_says_that_the_subject_is_simulated(demo):
    for path in (
        "nsd/SIMULATED.json",
        "prepared/manifest.json",
        "run/provenance.json",
        "run/retrieval.json",
        "run/reconstructions/manifest.json",
        "run/reconstructions/evaluation.json",
        "summary.json",
        "report.html",
    ):
        assert "simulated" in (demo / path).read_text().lower(), path


def test_each_picture_has_a_file_and_each_candidate_a_line(demo):
    folder = demo / "run" / "reconstructions"
    lines = [json.loads(line) for line in (folder / "choices.jsonl").read_text().splitlines()]
    assert len(list((folder / "pictures").glob("*.png"))) == 30
    assert len(lines) == 30 * 3
    assert sum(line["chosen"] for line in lines) == 30


def test_a_second_demo_into_the_same_folder_changes_nothing(demo):
    before = {
        path: path.read_bytes()
        for path in demo.rglob("*")
        if path.suffix in (".safetensors", ".json", ".tsv")
    }
    mindeye("demo", "--out", demo, "--preset", "tiny", "--images", 30)
    for path, content in before.items():
        assert path.read_bytes() == content, path


def test_another_seed_into_the_same_folder_is_refused(demo):
    result = mindeye("demo", "--out", demo, "--preset", "tiny", "--seed", 1, check=False)
    assert result.returncode == 2
    assert "seed 0" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_killed_training_ends_with_the_same_weights(demo, tmp_path):
    config = {
        "data": [str(demo / "prepared")],
        "decoder": {
            "backbone": {"width": 64, "num_blocks": 1},
            "contrastive_width": 64,
            "prior": {"depth": 1, "head_width": 32},
            "low_level": {"base_channels": 8},
        },
        "schedule": {"num_epochs": 12, "batch": 64, "save_every_s": 0.0},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    mindeye("train", path, "--out", tmp_path / "whole")
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "mindeye", "train", str(path), "--out", str(killed)],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (killed / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "weights.safetensors").exists(), "it ended before it could be killed"
    mindeye("train", path, "--out", killed)
    whole, resumed = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed")
    )
    assert whole.keys() == resumed.keys()
    assert all((whole[name] == resumed[name]).all() for name in whole)


def test_ctrl_c_ends_with_130_and_the_rerun_goes_on(demo, tmp_path):
    config = tmp_path / "config.yaml"
    decoder = {"backbone": {"width": 64}, "prior": {"depth": 1, "head_width": 32}}
    content = {"data": [str(demo / "prepared")], "decoder": decoder}
    config.write_text(yaml.safe_dump({**content, "schedule": {"num_epochs": 3, "batch": 64}}))
    run = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "mindeye", "train", str(config), "--out", str(run)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts programs in the background makes them deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not (run / "config.yaml").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    mindeye("train", config, "--out", run)
    assert (run / "weights.safetensors").exists()

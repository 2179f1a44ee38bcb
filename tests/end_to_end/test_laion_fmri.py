"""Another data set than NSD, by the commands that a user types: simulated files to retrieval."""

import json
import subprocess
import sys

import pytest
import yaml

CONFIG = {
    "decoder": {
        "backbone": {"width": 128, "num_blocks": 1, "input_dropout": 0.3, "block_dropout": 0.2},
        "contrastive_width": 64,
        "prior": {"depth": 1, "head_width": 32},
        "low_level": {"base_channels": 16, "base_side": 4, "dropout": 0.3},
    },
    "losses": {"prior": 10.0, "prior_trials": 32},
    "schedule": {
        "num_epochs": 30,
        "batch": 71,
        "learning_rate": 1.0e-3,
        "weight_decay": 0.05,
        "ridge_decay": 0.3,
        "warmup": 0.05,
    },
    "seed": 0,
}


def mindeye(*arguments):
    """Runs the console program in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-m", "mindeye", *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laion")
    tree, prepared, run = (folder / name for name in ("tree", "prepared", "run"))
    mindeye("simulate", "--layout", "laion-fmri", "--preset", "tiny", "--seed", 1, "--out", tree)
    mindeye("prepare", "laion-fmri", tree, "--subject", 1, "--out", prepared)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG | {"data": [str(prepared)]}))
    mindeye("train", config, "--out", run)
    return run


def test_a_decoder_of_laion_fmri_finds_shared_images_that_it_was_not_trained_on(run):
    said = mindeye("retrieve", run, "--pools", 40)
    assert said.splitlines()[-1].startswith("SIMULATED")
    rows = json.loads((run / "retrieval.json").read_text())["rows"]
    for direction in ("image", "brain"):
        (row,) = [row for row in rows if row["metric"] == f"{direction} retrieval top-5 of 40"]
        assert row["n"] == 40
        assert row["low"] > 1.5 * row["chance"]


def test_the_run_says_which_data_set_it_was_trained_on(run):
    (data,) = json.loads((run / "provenance.json").read_text())["data"]
    assert data["dataset"] == "laion-fmri"
    assert data["protocol"] == "laion-shared"
    assert data["simulated"]["layout"] == "laion-fmri"

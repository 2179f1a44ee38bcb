import os
import subprocess
import sys

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.reconstruction.picture_folder import load_reconstruction


@pytest.mark.parametrize("option", [("--batch", "3"), ("--max-memory", "20G")])
def test_another_batch_draws_the_same_pictures(finished_run, tmp_path, option):
    settings = ["--candidates", "2", "--steps", "2", "--prior-steps", "2"]
    command = ["reconstruct", str(finished_run), "--out", str(tmp_path / "out"), *settings]
    main([*command, *option])
    ours = load_reconstruction(tmp_path / "out")
    theirs = load_reconstruction(finished_run / "reconstructions")
    assert np.abs(ours.candidates.astype(int) - theirs.candidates).max() <= 1


def test_measuring_memory_says_nothing_of_its_profiler(finished_run, networks, tmp_path):
    """In a process of its own: the profiler reads how much it may say when it is first used."""
    options = ["--images", "2", "--candidates", "1", "--steps", "1", "--max-memory", "20G"]
    options += ["--generator-source", str(networks.generator)]
    command = [sys.executable, "-m", "mindeye", "reconstruct", str(finished_run), *options]
    plain = {name: value for name, value in os.environ.items() if name != "KINETO_LOG_LEVEL"}
    ended = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], env=plain, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "rofiler" not in ended.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-memory", "1M"], "A memory limit of 0.00 GB is too small"),
        (["--max-memory", "much"], "much is no size; write it like 8G or 800M"),
        (["--batch", "0"], "0 is no whole number from 1"),
        (["--batch", "4", "--max-memory", "8G"], "not allowed with argument"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_and_nothing_is_written(
    finished_run, tmp_path, capsys, options, message
):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["reconstruct", str(finished_run), "--out", str(out), *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()

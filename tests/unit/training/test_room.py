"""A full disk is found before the training."""

import shutil
from collections import namedtuple
from dataclasses import replace

import pytest

from mindeye.models.saved import load_decoder
from mindeye.training.choice import ChoiceConfig
from mindeye.training.loop import train
from mindeye.training.room import (
    SMALL_FILES,
    bytes_of_checkpoint,
    bytes_of_run,
    numbers_in,
    require_room,
)

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    "choice",
    [ChoiceConfig(), ChoiceConfig(weights="best"), ChoiceConfig(weights="best", ema_decay=0.9)],
)
def test_the_estimate_is_what_a_checkpoint_takes(tiny_experiment, tmp_path, choice):
    sizes = []

    def measuring(done, total, values):
        for path in tmp_path.glob("run/checkpoint.safetensors"):
            content = path.read_bytes()
            # The header: names and nesting, which count for nothing at real size.
            sizes.append(len(content) - 8 - int.from_bytes(content[:8], "little"))

    run = train(replace(tiny_experiment, choice=choice), tmp_path / "run", progress=measuring)
    decoder = load_decoder(run.path).requires_grad_(True)
    estimate = bytes_of_checkpoint(*numbers_in(decoder), choice)
    counters = 4 * len(list(decoder.parameters()))
    assert estimate <= sizes[-1] <= estimate + counters
    assert bytes_of_run(*numbers_in(decoder), choice) == 3 * estimate + SMALL_FILES


def test_mindeye1_needs_36_gigabytes():
    """1,003,635,088 weights, two moments of each, three copies."""
    assert bytes_of_run(1_003_635_088, 1_003_635_088, ChoiceConfig()) == 36_140_863_168


def test_a_training_that_would_fill_the_disk_is_refused_before_anything_is_written(
    tiny_experiment, tmp_path, monkeypatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 5_000_000))
    with pytest.raises(
        OSError, match=r"The training needs about 1[01] MB, but .* has 5\.00 MB free"
    ):
        train(tiny_experiment, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_run_has_written_counts_as_there(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 600))
    (tmp_path / "checkpoint.safetensors").write_bytes(bytes(500))
    require_room(tmp_path, 1_000)
    with pytest.raises(OSError, match="The training needs"):
        require_room(tmp_path, 1_200)

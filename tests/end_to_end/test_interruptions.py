"""Ctrl-C, kill -9 and a full disk in each stage: one message, nothing half-written, go on."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from mindeye.cli import main
from mindeye.reconstruction import pipeline

pytestmark = pytest.mark.filterwarnings("ignore")

DECODER = {
    "backbone": {"width": 64, "num_blocks": 1},
    "contrastive_width": 64,
    "prior": {"depth": 1, "head_width": 32},
    "low_level": {"base_channels": 8},
}
# Two blocks of pictures: the first one is kept when the second one is cut.
NUM_IMAGES = 24


class Stages(NamedTuple):
    """What an uninterrupted road has made; read only."""

    tree: Path
    prepared: Path
    config: Path
    run: Path
    pictures: Path


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "mindeye", *map(str, arguments)]


def finished_here(*arguments) -> None:
    """In this process, which spares the seconds of another start."""
    main([str(one) for one in arguments])


def finished(*arguments) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def cut(how: signal.Signals, under_way: Callable[[], bool], *arguments) -> None:
    """Starts a stage, strikes as soon as it is under way, and checks what it says."""
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts programs in the background makes them deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while not under_way() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(how)
    _, errors = process.communicate()
    if how is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL, f"it ended before the kill: {errors}"
        return
    assert process.returncode == 130, errors
    assert errors.count("Interrupted. Run the same command again") == 1
    require_no_traceback(errors)


def out_of_room(num_bytes: int, *arguments) -> str:
    """Runs a stage that may not write larger files, as on a full disk; returns its message."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    done = subprocess.run(command(*arguments), preexec_fn=limit, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    require_no_traceback(done.stderr)
    assert done.stderr.count("mindeye: ") == 1
    message = done.stderr.partition("mindeye: ")[2].splitlines()[0]
    assert "could not be written" in message
    assert "Is the disk full?" in message
    return message


def require_no_traceback(errors: str) -> None:
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def begun(folder: Path, name: str) -> Callable[[], bool]:
    """Whether a temporary of `folder` holds a file of that name: the stage is under way."""
    return lambda: any(folder.parent.glob(f".{folder.name}.*.part/{name}"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Stages:
    folder = tmp_path_factory.mktemp("whole")
    stages = Stages(
        tree=folder / "nsd",
        prepared=folder / "prepared",
        config=folder / "config.yaml",
        run=folder / "run",
        pictures=folder / "pictures",
    )
    schedule = {"num_epochs": 2, "batch": 64, "save_every_s": 0.0}
    config = {"data": [str(stages.prepared)], "decoder": DECODER, "schedule": schedule}
    stages.config.write_text(yaml.safe_dump(config))
    finished_here("simulate", "--out", stages.tree, "--preset", "tiny")
    finished_here("prepare", "nsd", stages.tree, "--out", stages.prepared)
    finished_here("train", stages.config, "--out", stages.run)
    finished_here(*reconstruct(stages, stages.pictures))
    return stages


@pytest.fixture(scope="module")
def second_tree(whole, tmp_path_factory) -> Path:
    """The same subject simulated again, after a full disk, Ctrl-C and kill -9."""
    tree = tmp_path_factory.mktemp("second") / "nsd"
    arguments = ("simulate", "--out", tree, "--preset", "tiny")
    pictures = begun(tree, "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
    assert str(tree) in out_of_room(1_000_000, *arguments)
    assert list(tree.parent.iterdir()) == []
    cut(signal.SIGINT, pictures, *arguments)
    assert list(tree.parent.iterdir()) == []
    cut(signal.SIGKILL, pictures, *arguments)
    assert not tree.exists()
    finished(*arguments)
    return tree


def reconstruct(stages: Stages, out: Path) -> tuple:
    drawing = ("--images", NUM_IMAGES, "--candidates", 1, "--steps", 2, "--prior-steps", 2)
    return ("reconstruct", stages.run, "--out", out, *drawing)


def test_a_simulation_that_was_cut_ends_in_the_same_bytes_and_leaves_no_rest(whole, second_tree):
    assert contents(second_tree) == contents(whole.tree)
    assert temporaries(second_tree.parent) == []


def test_a_preparation_that_was_cut_ends_in_the_same_bytes_and_leaves_no_rest(
    whole, second_tree, tmp_path
):
    # Of the second tree: same seed, other processes and places, same bytes.
    out = tmp_path / "prepared"
    arguments = ("prepare", "nsd", second_tree, "--out", out)
    shards = begun(out, "train-000000.tar")
    assert str(out) in out_of_room(1_000_000, *arguments)
    assert list(tmp_path.iterdir()) == []
    cut(signal.SIGINT, shards, *arguments)
    assert list(tmp_path.iterdir()) == []
    cut(signal.SIGKILL, shards, *arguments)
    assert not out.exists()
    finished(*arguments)
    expected = contents(whole.prepared)
    cached = {name for name in expected if name.startswith("targets/")}
    assert cached, "training keeps its targets there"
    assert contents(out) == {name: expected[name] for name in expected.keys() - cached}
    assert temporaries(tmp_path) == []


def test_a_training_on_a_full_disk_ends_in_the_same_weights_once_there_is_room(whole, tmp_path):
    run = tmp_path / "run"
    arguments = ("train", whole.config, "--out", run)
    assert "checkpoint_written.safetensors could not be written" in out_of_room(
        1_000_000, *arguments
    )
    assert not (run / "weights.safetensors").exists()
    assert temporaries(run) == []
    finished_here(*arguments)
    weights = (run / "weights.safetensors").read_bytes()
    assert weights == (whole.run / "weights.safetensors").read_bytes()


def refused(*arguments) -> str:
    done = subprocess.run(command(*arguments), capture_output=True, text=True)
    assert done.returncode == 2
    return done.stderr


def timeless(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without the seconds that each candidate took."""
    name = "choices.jsonl"
    lines = [json.loads(line) for line in files[name].splitlines()]
    assert all(line.pop("seconds") for line in lines)
    return files | {name: json.dumps(lines).encode()}


def test_a_reconstruction_that_was_cut_goes_on_to_the_same_bytes(whole, tmp_path, monkeypatch):
    out = tmp_path / "pictures"
    arguments = reconstruct(whole, out)

    def num_parts() -> int:
        return len(list((out / "parts").glob("image_*.safetensors")))

    assert ".safetensors could not be written" in out_of_room(10_000, *arguments)
    assert num_parts() == 0
    assert temporaries(out) == []
    cut(signal.SIGKILL, (out / "manifest.json").exists, *arguments)
    cut(signal.SIGINT, lambda: num_parts() >= pipeline.BLOCK, *arguments)
    assert f"{num_parts()} of {NUM_IMAGES} images are drawn" in (out / "UNFINISHED.txt").read_text()
    for verb in ("evaluate", "report"):
        given = (out,) if verb == "evaluate" else (whole.run, "--reconstructions", out)
        assert f"{num_parts()} of {NUM_IMAGES} images are drawn" in refused(verb, *given)
    drawn = []

    def recording(decoded, *others):
        drawn.append(len(decoded.image_ids))
        return draw_block(decoded, *others)

    draw_block = pipeline.draw_block
    monkeypatch.setattr(pipeline, "draw_block", recording)
    finished_here(*arguments)
    assert drawn == [NUM_IMAGES - pipeline.BLOCK]
    assert timeless(contents(out)) == timeless(contents(whole.pictures))
    assert temporaries(tmp_path) == []

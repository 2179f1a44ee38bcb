"""Small trainings killed at random moments: do they end in the same bits?"""

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mindeye.config import dump_yaml
from mindeye.data.prepare import prepare_nsd
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig, ScheduleConfig
from mindeye.verbs.simulate import simulate_subject

# Moments lie so many seconds at most behind the first sight of what a stage writes.
DELAY_S = {"targets": 1.0, "beginning": 1.0, "steps": 2.0, "checkpoint": 0.01, "final": 0.002}
STAGES = tuple(DELAY_S)
_CHECKPOINT, _FINAL = "checkpoint_written.safetensors", "weights.safetensors"
LIMIT_S = 300


def small_experiment(prepared: Path) -> ExperimentConfig:
    """A minute of training or less, with a checkpoint after every step."""
    return ExperimentConfig(
        data=(prepared,),
        decoder=DecoderConfig(
            backbone=BackboneConfig(width=64, num_blocks=1),
            contrastive_width=64,
            prior=PriorConfig(depth=1, head_width=32),
            low_level=LowLevelConfig(base_channels=8),
        ),
        schedule=ScheduleConfig(num_epochs=4, batch=64, save_every_s=0.0),
    )


def begun(stage: str, run: Path, prepared: Path) -> bool:
    """Whether a training has come to a stage, by what it writes."""
    if stage == "targets":
        return (prepared / "targets").exists()
    if stage == "beginning":
        return (run / "identity.json").exists()
    if stage == "steps":
        return (run / "checkpoint.safetensors").exists()
    name = _CHECKPOINT if stage == "checkpoint" else _FINAL
    # What is being written lies in a folder of its own, beside.
    return any(run.glob(f".{name}.*.part/*"))


def kill_at(command: Sequence[str], is_there: Callable[[], bool], delay_s: float) -> bool:
    """Starts a program, and kills it (-9) so long after something is there; was it alive?"""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT_S
    while not is_there() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.0005)
    time.sleep(delay_s)
    process.kill()
    return process.wait() == -signal.SIGKILL


def training_command(config: Path, run: Path) -> list[str]:
    return [sys.executable, "-m", "mindeye", "train", str(config), "--out", str(run)]


def sha256_of_weights(run: Path) -> str:
    return hashlib.sha256(RunFolder(path=run).weights_path.read_bytes()).hexdigest()


def state_of(run: Path) -> str:
    """What a kill has left, in words."""
    parts = sorted({one.name.split(".safetensors")[0][1:] for one in run.glob(".*.part")})
    lines = RunFolder(path=run).read_log()
    told = [f"log to step {lines[-1]['step']}" if lines else "no step logged"]
    told += [f"`{one}` half-written" for one in parts]
    if RunFolder(path=run).is_finished:
        told.append("weights written")
    return ", ".join(told)


def benchmark(work: Path, kills: int, seed: int) -> Iterator[str]:
    """Trains once in peace, then `kills` times with a kill; compares the final weights."""
    draw = random.Random(seed)
    simulate_subject("nsd", work / "tree", preset="tiny", sessions=None, subject=1, seed=seed)
    prepare_nsd(work / "tree", subject=1, out=work / "prepared")
    whole = _trained(work, "whole")
    expected = sha256_of_weights(whole)
    yield f"uninterrupted: SHA-256 {expected[:16]}"
    equal = 0
    for number in range(kills):
        stage = STAGES[number % len(STAGES)]
        delay = draw.uniform(0, DELAY_S[stage])
        run, prepared, command = _laid_out(work, f"kill{number}")
        was_alive = kill_at(command, lambda s=stage, r=run, p=prepared: begun(s, r, p), delay)
        left = state_of(run)
        subprocess.run(command, check=True, capture_output=True)
        same = sha256_of_weights(run) == expected
        equal += same
        how = "" if was_alive else " (had ended)"
        verdict = "the same bits" if same else "OTHER BITS"
        yield f"kill {number + 1}, {stage} + {delay * 1000:.0f} ms{how}: {left}; resumed: {verdict}"
        shutil.rmtree(run.parent)
    yield f"{equal} of {kills} killed and resumed trainings ended in the same bits"


def _laid_out(work: Path, name: str) -> tuple[Path, Path, list[str]]:
    """A run of its own, with its own prepared folder: targets are cached there."""
    folder = work / name
    prepared = Path(shutil.copytree(work / "prepared", folder / "prepared"))
    config = folder / "config.yaml"
    dump_yaml(small_experiment(prepared), config)
    return folder / "run", prepared, training_command(config, folder / "run")


def _trained(work: Path, name: str) -> Path:
    run, _, command = _laid_out(work, name)
    subprocess.run(command, check=True, capture_output=True)
    return run

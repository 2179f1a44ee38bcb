"""Two processes train as one does, share errors, and know how they train."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from accelerate import Accelerator
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from mindeye.config import dump_yaml, load_yaml
from mindeye.models.backbone import BackboneConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.run import RunFolder
from mindeye.training.augmentation import AugmentationConfig
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.processes import _may_leave_out, how_it_trains, main_first, together
from mindeye.training.provenance import note_processes

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("gradients_of_a_process.py")
LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def run_python(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture
def plain(tiny_experiment, tmp_path) -> Path:
    """Two epochs without dropout, whose masks differ between one and two processes."""
    decoder = replace(
        tiny_experiment.decoder,
        backbone=BackboneConfig(width=24, num_blocks=1, input_dropout=0.0, block_dropout=0.0),
        low_level=LowLevelConfig(base_channels=8, base_side=4, dropout=0.0),
    )
    schedule = replace(tiny_experiment.schedule, num_epochs=2)
    experiment = replace(tiny_experiment, decoder=decoder, schedule=schedule)
    dump_yaml(experiment, tmp_path / "config.yaml")
    return tmp_path / "config.yaml"


def require_the_same_in_two(config: Path, folder: Path, *kinds: str) -> None:
    for kind in ("alone", *kinds):
        (folder / kind).mkdir()
        launcher = () if kind == "alone" else LAUNCHER
        done = run_python(*launcher, PROGRAM, config, folder / kind, kind)
        assert done.returncode == 0, done.stderr
    found = {
        kind: (
            json.loads((folder / kind / "losses.json").read_text()),
            load_file(folder / kind / "gradients.safetensors"),
            load_file(folder / kind / "run" / "weights.safetensors"),
        )
        for kind in ("alone", *kinds)
    }
    losses, gradients, weights = found["alone"]
    for kind in kinds:
        assert len(found[kind][0]) == len(losses) == 6
        for ours, theirs in zip(found[kind][0], losses):
            assert ours == pytest.approx(theirs, rel=1e-5), kind
        for ours, theirs in ((found[kind][1], gradients), (found[kind][2], weights)):
            assert ours.keys() == theirs.keys()
            for name, value in theirs.items():
                torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-5, msg=name)
        processes = RunFolder(path=folder / kind / "run").provenance()["processes"]
        assert processes == [{"from_step": 0, "processes": 2}]


def test_two_processes_have_the_losses_gradients_and_weights_of_one(plain, tmp_path):
    require_the_same_in_two(plain, tmp_path, "ddp", "sharded")
    first, other = (
        json.loads((tmp_path / "sharded" / f"whole_{rank}.json").read_text()) for rank in (0, 1)
    )
    # At a checkpoint the first process alone holds what was spread: weights and both moments.
    assert len(first) == 3 * sum(name.startswith("weights/") for name in first) > 0
    assert other == []


def test_so_they_have_with_views_of_pictures_and_a_subject_that_one_of_them_does_not_see(
    plain, tiny_prepared, belonging_to, tmp_path
):
    """Four trials of each subject in a batch of eight: each process has one subject's."""
    second = shutil.copytree(tiny_prepared, tmp_path / "second")
    belonging_to(second, 2)
    config = load_yaml(ExperimentConfig, plain)
    both = replace(
        config,
        data=(*config.data, second),
        augmentation=AugmentationConfig(),
        augmented_views=2,
        schedule=replace(config.schedule, subjects_together=True, num_epochs=1),
    )
    dump_yaml(both, tmp_path / "both.yaml")
    require_the_same_in_two(tmp_path / "both.yaml", tmp_path, "ddp")
    ridges = load_file(tmp_path / "alone" / "gradients.safetensors")
    ridges = [one for name, one in ridges.items() if "ridge" in name and one.ndim == 2]
    assert len(ridges) == 2
    assert all(one.any() for one in ridges)


def test_a_profile_of_two_processes_ends_both_of_them(plain, tmp_path):
    given = ("--out", tmp_path / "run", "--profile", 2)
    done = run_python(*LAUNCHER, "-m", "mindeye", "train", plain, *given)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 steps on cpu") == 1
    assert done.stdout.count("The same command without --profile trains on.") == 1
    assert "Error" not in done.stderr
    assert (tmp_path / "run" / "profile" / "trace.json").exists()


def test_an_error_that_all_processes_see_is_told_once(plain, tmp_path):
    arguments = ("-m", "mindeye", "train", plain, "--out", tmp_path / "run", "--schedule.batch", 7)
    done = run_python(*LAUNCHER, *arguments)
    assert done.returncode != 0
    assert done.stderr.count("mindeye: A batch of 7 images cannot be shared evenly by 2") == 1
    assert not (tmp_path / "run").exists()


def test_one_process_works_and_fails_as_without_others():
    def failing():
        raise LookupError("gone")

    assert together(lambda: 3) == 3
    assert main_first(Accelerator(), lambda: 4) == 4
    with pytest.raises(LookupError, match="gone"):
        together(failing)


def test_how_it_trains_says_batch_and_learning_rate(tiny_experiment):
    schedule = replace(tiny_experiment.schedule, batch=96, micro_batch=8, learning_rate=3e-4)
    accelerator = Mock(
        spec=Accelerator,
        num_processes=4,
        is_fsdp2=False,
        device=torch.device("cpu"),
        mixed_precision="bf16",
    )
    told = how_it_trains(accelerator, schedule)
    assert told.startswith("4 processes on cpu; batch of 96 images = 4 x 24 in turns of 8; ")
    assert "learning rate 0.0003 at its peak, not scaled" in told
    assert told.endswith("; bf16")
    alone = how_it_trains(Accelerator(), replace(schedule, micro_batch=None))
    assert alone.startswith("1 process on cpu; batch of 96 images = 1 x 96; learning rate 0.0003")
    assert alone.endswith("; float32")


def test_provenance_notes_how_many_processes_trained_from_which_step(tmp_path):
    run = RunFolder(path=tmp_path)
    (tmp_path / "provenance.json").write_text('{"data": []}')
    for step, processes in ((0, 1), (4, 2), (5, 2), (9, 1)):
        note_processes(run, step, processes)
    noted = [{"from_step": 4, "processes": 2}, {"from_step": 9, "processes": 1}]
    assert run.provenance()["processes"] == noted


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp2", "FSDP")])
def test_accelerate_reads_the_launch_configurations(name, kind):
    config = load_config_from_file(str(ROOT / "train" / "configs" / "accelerate" / f"{name}.yaml"))
    assert config.distributed_type.value == kind
    assert (getattr(config, "fsdp_config", None) or {}).get("fsdp_version") == (
        2 if name == "fsdp2" else None
    )


def test_ddp_searches_for_weights_without_gradient_only_where_there_may_be_some(tiny_experiment):
    idle = MixerBackboneConfig(width=tiny_experiment.decoder.backbone.width, keep_idle=True)
    published = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, backbone=idle))
    alone = replace(tiny_experiment, losses=replace(tiny_experiment.losses, contrastive=0.0))
    found = [_may_leave_out(one) for one in (tiny_experiment, published, alone)]
    assert found == [False, True, True]

"""Every configuration passes a dry run with data of its size, and says how it is run."""

import json
import re
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from mindeye.cli import main
from mindeye.config import load_yaml
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS
from mindeye.targets.clip import ClipTarget
from mindeye.targets.feature_maps import MapTarget
from mindeye.targets.vae import VaeTarget
from mindeye.training import plan
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.networks import FrozenNetworks
from mindeye.training.starting import train_only
from mindeye.training.step_cost import StepCost

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "train" / "configs").glob("*.yaml"))
STEPS_OF = {"mindeye1_subj01": 66_240, "mindeye2_finetune_40_sessions": 187_500}
# Of the published step, batch 32, without CLIP: the linear layers and attention of the prior,
# projector, token head, backbone, losses; measured on the published modules.
MINDEYE1_TFLOP = 5.02 + 0.47 + 0.36 + 0.155 + 0.02 + 0.002


@pytest.fixture
def prepared_like(tiny_prepared, tmp_path):
    """Subject -> a prepared folder whose manifest promises its real voxels and images."""

    def folder_of(subject: int) -> Path:
        folder = tmp_path / f"subj{subject:02d}"
        shutil.copytree(tiny_prepared, folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest |= {"subject": subject, "num_voxels": NSDGENERAL_VOXELS[subject]}
        manifest["splits"]["train"]["num_images"] = 8859
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return folder_of


@pytest.fixture
def counted(prepared_like, monkeypatch, capsys, tmp_path):
    """Configuration file -> what its dry run says; frozen networks and starts are made up."""

    def networks_of(config: ExperimentConfig):
        of_mindeye2 = config.clip is not None and "bigg" in config.clip.name
        tokens = (256, 1664) if of_mindeye2 else (257, 768)
        tokens = (1, 768) if config.clip_tokens == "embedding" else tokens
        low_level, teacher = config.decoder.low_level, None
        if isinstance(low_level, PublishedLowLevelConfig) and low_level.map_width:
            shape = (low_level.base_side**2, low_level.map_width)
            teacher = Mock(spec=MapTarget, map_shape=shape)
        side = 28 if of_mindeye2 else 64
        return Mock(
            spec=FrozenNetworks,
            clip=Mock(spec=ClipTarget, token_shape=tokens),
            vae=Mock(spec=VaeTarget, latent_shape=(4, side, side)),
            teacher=teacher,
            augmentation=config.augmentation,
            num_views=1,
        )

    def run(path: Path) -> dict:
        config = load_yaml(ExperimentConfig, path)
        numbers = [
            int(found[1]) for one in config.data if (found := re.search(r"subj0(\d)", one.name))
        ]
        data = [str(prepared_like(number)) for number in numbers or [1]]
        monkeypatch.setattr(plan, "open_networks", networks_of)
        monkeypatch.setattr(plan, "absent_bytes", lambda *given: 0)
        monkeypatch.setattr(plan, "require_no_leak", lambda *given: None)

        def fresh(decoder, config, *given) -> dict:
            train_only(decoder, config.parts)
            return {}

        monkeypatch.setattr(plan, "checked_start", fresh)
        machine = ["--tflops", "790", "--terabytes-per-s", "4.3"]
        out = str(tmp_path / "run")
        main(["train", str(path), "--out", out, "--data", *data, "--dry-run", "--json", *machine])
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_passes_a_dry_run(path, counted, monkeypatch):
    cost = StepCost(flop=10**12, target_flop=0, activation_bytes=10**9)
    monkeypatch.setattr(plan, "step_cost", lambda *given: cost)
    found = counted(path)
    assert found["num_steps"] == STEPS_OF.get(path.stem, found["num_steps"]) > 0
    assert found["num_parameters"] > 10**6
    assert found["hours"] > 0


def test_mindeye1s_step_computes_what_the_published_one_does(counted):
    found = counted(ROOT / "train" / "configs" / "mindeye1_subj01.yaml")
    assert found["flop_per_step"] / 1e12 == pytest.approx(MINDEYE1_TFLOP, rel=2e-3)
    assert found["moved_bytes_per_step"] / found["num_parameters"] == pytest.approx(40, rel=1e-3)
    assert sum(found["memory_bytes"].values()) / 1e9 == pytest.approx(27.2, abs=0.3)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_opens_with_command_hardware_time_and_score(path):
    head = "\n".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert f"train/configs/{path.name} --out " in head
    assert re.search(r"^# Hardware: .+ Time and score: .+", head, re.MULTILINE)

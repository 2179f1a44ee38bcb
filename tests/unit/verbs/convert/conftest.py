"""Small checkpoints with the published keys, runs made of them, and commands that draw them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mindeye.cli import main
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published import to_mindeye1, to_mindeye2
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS
from mindeye.verbs.benchmarks.random_generators import write_random_generator
from mindeye.verbs.benchmarks.random_sdxl import TINY_UNCLIP_UNET, write_random_unclip
from mindeye.verbs.convert import convert_checkpoint

WIDTH, TOKENS, TOKEN_WIDTH = 8, 3, 16
PRIOR = PublishedPriorConfig(depth=2, num_heads=2, head_width=32, coarse_epsilon=True)
LOW_LEVEL = PublishedLowLevelConfig(
    base_channels=32, base_side=2, block_channels=(32, 32), map_width=16
)
MINDEYE2 = DecoderConfig(
    backbone=MixerBackboneConfig(width=WIDTH, num_blocks=2, keep_idle=True),
    contrastive_width=12,
    prior=replace(PRIOR, scale=1.0),
    low_level=LOW_LEVEL,
)
MINDEYE1 = DecoderConfig(
    backbone=BackboneConfig(width=WIDTH, num_blocks=2),
    contrastive_width=12,
    prior=PRIOR,
    low_level=replace(LOW_LEVEL, path=LowLevelPathConfig(width=WIDTH, num_blocks=2)),
)
NUM_VOXELS = 20
# What the tiny CLIP gives in the form that each system learns.
TOKENS_OF = {"mindeye1": (5, 16), "mindeye2": (4, 16)}
GENERATOR_OF = {"mindeye1": "versatile", "mindeye2": "unclip"}


def decoder_of(config: DecoderConfig, *subjects: int) -> Decoder:
    torch.manual_seed(3)
    return Decoder(
        config,
        num_voxels_of={subject: NSDGENERAL_VOXELS[subject] for subject in subjects},
        token_shape=(TOKENS, TOKEN_WIDTH),
        latent_shape=(4, 4, 4),
    ).eval()


def save_checkpoint(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """As the published programs save, a bound method of the schedule included."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=9)
    content = {
        "epoch": 149,
        "model_state_dict": state,
        "optimizer_state_dict": optimizer.state_dict(),
        "lr_scheduler": {"anneal_func": schedule.get_last_lr},
    }
    torch.save(content, path)
    return path


@pytest.fixture(name="save_checkpoint")
def save_checkpoint_fixture():
    """(path, state dict) -> the path, now a checkpoint."""
    return save_checkpoint


@pytest.fixture
def mindeye1_decoder() -> Decoder:
    return decoder_of(MINDEYE1, 5)


@pytest.fixture
def mindeye2_decoder() -> Decoder:
    return decoder_of(MINDEYE2, 1, 2)


@pytest.fixture
def mindeye2_path(tmp_path, mindeye2_decoder) -> Path:
    return save_checkpoint(tmp_path / "last.pth", to_mindeye2(mindeye2_decoder))


@pytest.fixture
def mindeye1_paths(tmp_path, mindeye1_decoder) -> tuple[Path, Path]:
    """The checkpoint, and that of its low-level networks."""
    state = to_mindeye1(mindeye1_decoder)
    parts = ("voxel2clip.", "net.", "noise_scheduler.")
    high = {name: one for name, one in state.items() if name.startswith(parts)}
    low = {f"module.{name}": one for name, one in state.items() if name not in high}
    high_path = save_checkpoint(tmp_path / "prior.pth", high)
    return high_path, save_checkpoint(tmp_path / "autoencoder.pth", low)


@pytest.fixture
def converted(tmp_path, save_checkpoint, mindeye1_decoder, mindeye2_decoder):
    """(family) -> a run made of a checkpoint whose shapes fit the tiny subject and networks."""

    def make(family: str, low_level: bool = True) -> Path:
        one = {"mindeye1": mindeye1_decoder, "mindeye2": mindeye2_decoder}[family]
        low = replace(one.config.low_level, base_side=4) if low_level else None
        torch.manual_seed(3)
        decoder = Decoder(
            replace(one.config, low_level=low),
            num_voxels_of={1: NUM_VOXELS},
            token_shape=TOKENS_OF[family],
            latent_shape=(4, 8, 8),
        ).eval()
        state = to_mindeye1(decoder) if family == "mindeye1" else to_mindeye2(decoder)
        path, out = save_checkpoint(tmp_path / f"{family}.pth", state), tmp_path / family
        convert_checkpoint(family, path, subjects=[1], out=out)
        return out

    return make


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> dict[str, Path]:
    """Folders of the generators by their names; read only."""
    place = tmp_path_factory.mktemp("weights")
    unet = {**TINY_UNCLIP_UNET, "cross_attention_dim": 16}
    return {
        "versatile": write_random_generator(
            "versatile", place / "versatile", token_shape=(5, 16), small=True
        ),
        "unclip": write_random_unclip(place / "unclip", unet=unet, num_tokens=4),
    }


@pytest.fixture
def networks_given(networks) -> list[str]:
    return ["--clip", str(networks.clip), "--vae", str(networks.vae)]


@pytest.fixture
def drawing(tiny_prepared, networks_given, weights, tmp_path):
    """(family, run) -> the command line that draws two images."""

    def line(family: str, run: Path) -> list[str]:
        name = GENERATOR_OF[family]
        return [
            *("reconstruct", str(run), "--data", str(tiny_prepared), *networks_given),
            *("--generator", name, "--generator-source", str(weights[name])),
            *("--out", str(tmp_path / "out"), "--images", "2", "--candidates", "2"),
            *("--steps", "2", "--prior-steps", "2", "--sampler", "ddim"),
        ]

    return line


@pytest.fixture
def refused(capsys):
    """(command line) -> what is said when it is refused."""

    def told(line: list[str]) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(line)
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error

    return told

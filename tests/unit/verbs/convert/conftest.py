"""Small checkpoints with the published keys, saved as the published programs saved theirs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published import to_mindeye1, to_mindeye2
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS

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

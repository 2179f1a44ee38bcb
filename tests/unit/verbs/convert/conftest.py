"""Small checkpoints with the published keys, saved as the published programs saved theirs."""

import functools
import re
from collections.abc import Mapping
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
from mindeye.verbs.benchmarks.random_sdxl import (
    TINY_UNCLIP_UNET,
    TINY_VAE,
    random_unet,
    random_vae,
)
from mindeye.verbs.convert_generator import convert_unclip

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


LAYERS = 3  # two of each block and what changes the size
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


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


def renamed(part: str, names: Mapping[str, str]) -> str:
    head = next(one for one in names if part.startswith(f"{one}."))
    return names[head] + part.removeprefix(head)


def unet_name(name: str) -> str:
    """Diffusers' name of a weight -> that of sgm's UNetModel."""
    found = re.match(r"(down|up|mid)_block(?:s\.(\d))?\.(\w+)\.(\d)\.(.*)", name)
    if not found:
        return renamed(name, OUTSIDE)
    side, block, kind, layer, rest = found.groups()
    block, layer = int(block or 0), int(layer)
    rest = renamed(rest, RESNET) if kind == "resnets" else rest
    if side == "mid":
        return f"middle_block.{2 * layer if kind == 'resnets' else 1}.{rest}"
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{LAYERS * (block + 1)}.0.{rest.replace('conv', 'op')}"
        return f"input_blocks.{1 + LAYERS * block + layer}.{int(kind == 'attentions')}.{rest}"
    if kind == "upsamplers":
        return f"output_blocks.{LAYERS * block + 2}.2.{rest}"
    return f"output_blocks.{LAYERS * block + layer}.{int(kind == 'attentions')}.{rest}"


def vae_name(name: str) -> str:
    """Diffusers' name of a weight -> that of sgm's AutoencoderKL."""
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda one: f"mid.block_{int(one[1]) + 1}", name)
    if ".mid_block.attentions.0." in name:
        side, rest = name.split(".mid_block.attentions.0.")
        return f"{side}.mid.attn_1.{renamed(rest, ATTENTION)}"
    name = re.sub(r"up_blocks\.(\d)", lambda one: f"up.{3 - int(one[1])}", name)
    name = name.replace("down_blocks.", "down.").replace("resnets", "block")
    return name.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")


def sgm_state() -> dict[str, torch.Tensor]:
    unet = random_unet(TINY_UNCLIP_UNET).state_dict()
    state = {f"model.diffusion_model.{unet_name(name)}": one for name, one in unet.items()}
    for name, one in random_vae(TINY_VAE).state_dict().items():
        is_matrix = ".attentions." in name and one.ndim == 2
        state[f"first_stage_model.{vae_name(name)}"] = one[..., None, None] if is_matrix else one
    state["conditioner.embedders.0.model.visual.proj"] = torch.ones(3, 2)
    state["denoiser.sigmas"] = torch.ones(1000)
    return state


def save_unclip(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"state_dict": state, "global_step": 110000, "epoch": 0}, path)
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


@pytest.fixture(name="save_unclip")
def save_unclip_fixture():
    """(path, state dict) -> the path, now a checkpoint of sgm."""
    return save_unclip


@pytest.fixture
def unclip_state() -> dict[str, torch.Tensor]:
    """A tiny random unCLIP under sgm's names, with what a conversion leaves out."""
    return sgm_state()


@pytest.fixture(scope="session")
def unclip_path(tmp_path_factory) -> Path:
    """Shared: read only."""
    return save_unclip(tmp_path_factory.mktemp("sgm") / "unclip.ckpt", sgm_state())


@pytest.fixture
def convert():
    """Converts a tiny checkpoint."""
    return functools.partial(convert_unclip, unet=TINY_UNCLIP_UNET, vae=TINY_VAE)

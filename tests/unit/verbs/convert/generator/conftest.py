"""A tiny random unCLIP under sgm's names, saved as it was published."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from mindeye.verbs.benchmarks.random_sdxl import (
    TINY_UNCLIP_UNET,
    TINY_VAE,
    random_unet,
    random_vae,
)
from mindeye.verbs.convert_generator import convert_unclip

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

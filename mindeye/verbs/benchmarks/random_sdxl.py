"""Generators of the SDXL family with random weights: tiny ones for tests, true sizes for times."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel

from mindeye.files import write_json
from mindeye.reconstruction.generators.sdxl import SCHEDULE, SDXL_VAE, UNCLIP_UNET
from mindeye.reconstruction.generators.token_fit import RANDOM_MARK
from mindeye.reconstruction.generators.unclip import FACTS_FILE

TINY_UNCLIP_UNET: Mapping[str, Any] = MappingProxyType(
    {
        **UNCLIP_UNET,
        "sample_size": 8,
        "block_out_channels": (8, 16, 16),
        "norm_num_groups": 4,
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (1, 2, 2),
        "cross_attention_dim": 12,
        "addition_time_embed_dim": 6,
        "projection_class_embeddings_input_dim": 24,
    }
)
TINY_VAE: Mapping[str, Any] = MappingProxyType(
    {**SDXL_VAE, "sample_size": 64, "block_out_channels": (8, 8, 12, 12), "norm_num_groups": 4}
)
TINY_TOKENS = 5


def random_unet(config: Mapping[str, Any], seed: int = 0) -> UNet2DConditionModel:
    """A UNet of random weights."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return UNet2DConditionModel.from_config(dict(config)).eval()


def random_vae(config: Mapping[str, Any], seed: int = 0) -> AutoencoderKL:
    """A VAE of random weights."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return AutoencoderKL.from_config(dict(config)).eval()


def write_random_unclip(
    folder: Path,
    *,
    unet: Mapping[str, Any] = TINY_UNCLIP_UNET,
    vae: Mapping[str, Any] = TINY_VAE,
    num_tokens: int = TINY_TOKENS,
) -> Path:
    """A folder like that of `mindeye convert unclip`, marked as random."""
    random_unet(unet).save_pretrained(folder / "unet")
    random_vae(vae).save_pretrained(folder / "vae")
    EulerDiscreteScheduler.from_config(dict(SCHEDULE)).save_pretrained(folder / "scheduler")
    write_json(folder / RANDOM_MARK, {"token_shape": [num_tokens, unet["cross_attention_dim"]]})
    source = {"name": "random", "num_bytes": 0, "sha256": "0" * 64}
    write_json(folder / FACTS_FILE, {"generator": "unclip", "converted": source})
    return folder

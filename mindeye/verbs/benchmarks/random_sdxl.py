"""Generators of the SDXL family with random weights: tiny ones for tests, true sizes for times."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from mindeye.files import write_json
from mindeye.reconstruction.generators.empty_prompt import POOLED_WIDTH
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES
from mindeye.reconstruction.generators.sdxl import SCHEDULE, SDXL_VAE, UNCLIP_UNET
from mindeye.reconstruction.generators.token_fit import RANDOM_MARK
from mindeye.reconstruction.generators.unclip import FACTS_FILE
from mindeye.verbs.benchmarks.random_generators import SMALL_UNET

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
SDXL_UNET: Mapping[str, Any] = MappingProxyType(
    {
        **UNCLIP_UNET,
        "sample_size": 128,
        "cross_attention_dim": 2048,
        "projection_class_embeddings_input_dim": 2816,
    }
)
TINY_SDXL_UNET: Mapping[str, Any] = MappingProxyType(
    {
        **TINY_UNCLIP_UNET,
        "cross_attention_dim": 20,
        # The pooled prompt, and six sizes of 6.
        "projection_class_embeddings_input_dim": POOLED_WIDTH + 36,
    }
)
TINY_SD15_UNET: Mapping[str, Any] = MappingProxyType(
    {**SMALL_UNET, "norm_num_groups": 8, "cross_attention_dim": 20}
)
HEAD_WIDTH, BLOCKS = 64, 4
"""Of the network that sums up an adapter's tokens."""


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


def adapter_shapes(
    unet: UNet2DConditionModel,
    token_width: int,
    *,
    width: int = 32,
    heads: int = 1,
    queries: int = 4,
) -> dict[str, tuple[int, ...]]:
    """Of the weights of an IP-Adapter-Plus for a UNet, under the published names."""
    inner, read = HEAD_WIDTH * heads, unet.config.cross_attention_dim
    shapes: dict[str, tuple[int, ...]] = {
        "image_proj.latents": (1, queries, width),
        **_linear("image_proj.proj_in", token_width, width),
        **_linear("image_proj.proj_out", width, read),
        **_norm("image_proj.norm_out", read),
    }
    for block in range(BLOCKS):
        attention, forward = (f"image_proj.layers.{block}.{part}" for part in (0, 1))
        shapes |= {
            **_norm(f"{attention}.norm1", width),
            **_norm(f"{attention}.norm2", width),
            f"{attention}.to_q.weight": (inner, width),
            f"{attention}.to_kv.weight": (2 * inner, width),
            f"{attention}.to_out.weight": (width, inner),
            **_norm(f"{forward}.0", width),
            f"{forward}.1.weight": (4 * width, width),
            f"{forward}.3.weight": (width, 4 * width),
        }
    readers = [one for name, one in unet.named_modules() if name.endswith(".attn2")]
    for place, reader in enumerate(readers):
        for name in ("to_k_ip", "to_v_ip"):
            shapes[f"ip_adapter.{2 * place + 1}.{name}.weight"] = (reader.inner_dim, read)
    return shapes


def random_adapter(unet: UNet2DConditionModel, token_width: int) -> dict[str, Tensor]:
    """A tiny one with values."""
    draw = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=draw) * shape[-1] ** -0.5
        for name, shape in adapter_shapes(unet, token_width).items()
    }


def write_random_ip_adapter(
    name: str,
    folder: Path,
    *,
    token_shape: tuple[int, int],
) -> Path:
    """A tiny folder that holds both repositories of `ip-adapter-sdxl` or `ip-adapter-sd15`."""
    made = random_unet(TINY_SDXL_UNET if name == "ip-adapter-sdxl" else TINY_SD15_UNET)
    made.save_pretrained(folder / "unet")
    random_vae(TINY_VAE).save_pretrained(folder / "vae")
    schedule = {**SCHEDULE, "timestep_spacing": "leading", "steps_offset": 1}
    EulerDiscreteScheduler.from_config(schedule).save_pretrained(folder / "scheduler")
    file = folder / ADAPTER_FILES[name]
    file.parent.mkdir(parents=True)
    save_file(random_adapter(made, token_shape[1]), file)
    write_json(folder / RANDOM_MARK, {"token_shape": list(token_shape)})
    return folder


def _linear(name: str, width_in: int, width_out: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width_out, width_in), f"{name}.bias": (width_out,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}

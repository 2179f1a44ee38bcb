"""What the generators of the SDXL family share: configurations, noise levels, size conditions."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler
from jaxtyping import Float
from torch import Tensor

# MindEye2's unclip6.yaml, in diffusers' terms: 2.50 billion weights.
UNCLIP_UNET: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": 96,
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "cross_attention_dim": 1664,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1024,
    }
)
SDXL_VAE: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": 768,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    }
)
SCHEDULE: Mapping[str, Any] = MappingProxyType(
    {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "timestep_spacing": "trailing",
    }
)


class SgmEulerScheduler(EulerDiscreteScheduler):
    """Euler's method over the noise levels that sgm takes.

    Where steps divide 1,000 they are those of diffusers' `trailing` spacing; at MindEye2's 38 not.

    Source: sgm, LegacyDDPMDiscretization, and EulerEDMSampler without churn.
    """

    def set_timesteps(self, steps: int, device: torch.device | str | None = None) -> None:
        """Takes `sgm_times(steps)`."""
        times = sgm_times(steps, self.config.num_train_timesteps)
        super().set_timesteps(timesteps=times, device=device)


def sgm_times(steps: int, num_train_times: int = 1000) -> list[int]:
    """Noise levels of sgm's sampler, of `num_train_times`, the highest first.

    Raises:
        ValueError: more steps than the network knows noise levels.
    """
    if not 1 <= steps <= num_train_times:
        raise ValueError(
            f"{steps} steps were asked for, of a network that knows {num_train_times} levels of "
            f"noise. Choose from 1 to {num_train_times}."
        )
    if steps == num_train_times:
        return list(range(num_train_times))[::-1]
    return np.linspace(num_train_times - 1, 0, steps, endpoint=False).astype(int).tolist()


def size_conditions(
    sizes: Sequence[float], latents: Float[Tensor, "images channels rows columns"]
) -> Float[Tensor, "images sizes"]:
    """Original size, crop and, of SDXL itself, target size: (rows, columns) each."""
    return latents.new_tensor(sizes).expand(len(latents), -1)


def vae_dtype(dtype: torch.dtype) -> torch.dtype:
    """What SDXL's VAE can compute in beside a UNet of `dtype`: in float16 its values overflow."""
    return torch.float32 if dtype == torch.float16 else dtype

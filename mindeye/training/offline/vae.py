"""Trains the offline VAE on crops of drawn scenes."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mindeye.pictures import as_images
from mindeye.training.offline.pictures import batch_rows
from mindeye.training.offline.resumable import Stage, train

CROP = 64
# Rate of the posterior against N(0, 1): small, it only keeps the latents' scale in bounds.
KL_WEIGHT = 1e-5


def new_vae() -> AutoencoderKL:
    """An untrained VAE: 8 x 8 pixels a latent, 8 channels, no attention (crops train it)."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 128),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=128,
    )


def train_vae(
    pictures: np.ndarray,
    out: Path,
    stage: Stage,
) -> None:
    """Trains for `num_steps` and writes a diffusers folder to `out`; resumes."""
    if stage.done.exists():
        return
    torch.manual_seed(stage.seed)
    vae = new_vae()

    def step_losses(step: int) -> dict[str, Tensor]:
        crops = _crops(pictures, stage.batch, step, stage.seed)
        noise = torch.Generator().manual_seed(stage.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(crops).latent_dist
            decoded = vae.decode(posterior.sample(noise)).sample.float()
        kl = (
            0.5
            * (
                posterior.mean.float().square()
                + posterior.var.float()
                - 1
                - posterior.logvar.float()
            ).mean()
        )
        return {**_pixel_losses(decoded, crops), "kl": KL_WEIGHT * kl}

    weights = train(
        vae,
        step_losses,
        stage,
        learning_rate=2e-3,
        average=0.998,
    )
    vae.load_state_dict(weights)
    vae.eval()
    rows = np.sort(batch_rows(len(pictures), min(256, len(pictures)), 0, stage.seed + 1))
    with torch.no_grad():
        latents = vae.encode(as_images(pictures[rows]) * 2 - 1).latent_dist.mode()
    vae.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))
    vae.half().save_pretrained(out)
    stage.done.touch()


def _edges(error: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring errors: keeps outlines crisp."""
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def polish_decoder(
    pictures: np.ndarray,
    folder: Path,
    stage: Stage,
) -> None:
    """Trains the decoder on, with the encoder frozen: sharper pictures, the same latents."""
    if stage.done.exists():
        return
    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)

    def step_losses(step: int) -> dict[str, Tensor]:
        crops = _crops(pictures, stage.batch, step, stage.seed + 1)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latents = vae.encode(crops).latent_dist.mode()
            decoded = vae.decode(latents).sample.float()
        return _pixel_losses(decoded, crops)

    weights = train(
        vae.decoder,
        step_losses,
        stage,
        learning_rate=2e-3,
        average=0.998,
    )
    vae.decoder.load_state_dict(weights)
    vae.half().save_pretrained(folder)
    stage.done.touch()


def _crops(
    pictures: np.ndarray, batch: int, step: int, seed: int
) -> Float[Tensor, "images 3 side side"]:
    """Crops in [-1, 1], by (seed, step) alone; one window for the whole batch."""
    rng = np.random.default_rng([seed, step, 2])
    rows = np.sort(batch_rows(len(pictures), batch, step, seed))
    top, left = rng.integers(0, pictures.shape[1] - CROP + 1, size=2)
    return as_images(pictures[rows, top : top + CROP, left : left + CROP]) * 2 - 1


def _pixel_losses(decoded: Tensor, crops: Tensor) -> dict[str, Tensor]:
    return {
        "pixels": functional.mse_loss(decoded, crops) * 4 + (decoded - crops).abs().mean(),
        "edges": _edges(decoded - crops),
    }

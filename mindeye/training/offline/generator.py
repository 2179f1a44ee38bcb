"""Trains the offline generator: a small latent diffusion transformer that sees CLIP tokens."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, PixArtTransformer2DModel
from torch import Tensor
from torch.nn import functional

from mindeye.pictures import as_images
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.training.offline.pictures import batch_rows
from mindeye.training.offline.resumable import train

# Share of training samples whose tokens are zeros, so that guidance has something to lean on.
DROP_TOKENS = 0.1
WIDTH = 192
LAYERS = 6
BLOCK = 250


def embed_pictures(
    pictures: np.ndarray,
    clip: ClipTarget,
    vae: VaeTarget,
    work: Path,
    *,
    report: Callable[[int, Mapping[str, float]], None],
) -> tuple[np.ndarray, np.ndarray]:
    """CLIP tokens and VAE latents (float16) of all pictures, memory-mapped; resumes by block."""
    token_path, latent_path, done_path = (
        work / name for name in ("tokens.npy", "latents.npy", "embedded.done")
    )
    done = int(done_path.read_text()) if done_path.exists() else 0
    mode = "r+" if token_path.exists() else "w+"
    tokens = np.lib.format.open_memmap(
        token_path, mode=mode, dtype=np.float16, shape=(len(pictures), *clip.token_shape)
    )
    latents = np.lib.format.open_memmap(
        latent_path, mode=mode, dtype=np.float16, shape=(len(pictures), *vae.latent_shape)
    )
    for start in range(done, len(pictures), BLOCK):
        images = as_images(pictures[start : start + BLOCK])
        with torch.inference_mode():
            tokens[start : start + BLOCK] = clip.tokens(images).numpy()
            # Three times faster, and off by 0.002 at unit variance: less than half precision is.
            with torch.autocast("cpu", torch.bfloat16):
                latents[start : start + BLOCK] = vae.latents(images).float().numpy()
        done_path.write_text(str(start + len(images)))
        report(start, {})
    return tokens, latents


def new_transformer(token_width: int, channels: int, side: int) -> PixArtTransformer2DModel:
    """An untrained transformer over latents of side x side, in patches of 2 x 2."""
    return PixArtTransformer2DModel(
        num_attention_heads=WIDTH // 64,
        attention_head_dim=64,
        cross_attention_dim=WIDTH,
        num_layers=LAYERS,
        in_channels=channels,
        out_channels=channels,
        sample_size=side,
        patch_size=2,
        caption_channels=token_width,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )


def noise_schedule() -> DDPMScheduler:
    """The cosine schedule with v-prediction (arXiv:2202.00512): steady from noise to picture."""
    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def train_generator(
    tokens: np.ndarray,
    latents: np.ndarray,
    out: Path,
    work: Path,
    *,
    num_steps: int,
    batch: int,
    seed: int,
    report: Callable[[int, Mapping[str, float]], None],
) -> None:
    """Trains on cached (tokens, latents) and writes transformer and scheduler folders to `out`."""
    done = work / "generator.done"
    if done.exists():  # a later stage may have trained this network on
        return
    torch.manual_seed(seed)
    transformer = new_transformer(tokens.shape[2], latents.shape[1], latents.shape[2])
    schedule = noise_schedule()
    # Tokens have CLS norm 1; times sqrt(width) their elements have about unit variance.
    scale = tokens.shape[2] ** 0.5

    def step_losses(step: int) -> dict[str, Tensor]:
        rows = np.sort(batch_rows(len(tokens), batch, step, seed))
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        clean = torch.from_numpy(latents[rows]).float()
        seen = torch.from_numpy(tokens[rows]).float() * scale
        kept = torch.rand(batch, generator=generator) >= DROP_TOKENS
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(0, 1000, (batch,), generator=generator)
        noisy = schedule.add_noise(clean, noise, times)
        wanted = schedule.get_velocity(clean, noise, times)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = transformer(
                noisy,
                encoder_hidden_states=seen * kept.view(-1, 1, 1),
                timestep=times,
                added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            ).sample
        return {"velocity": functional.mse_loss(predicted.float(), wanted)}

    weights = train(
        transformer,
        step_losses,
        num_steps=num_steps,
        learning_rate=1e-3,
        weight_decay=0.0,
        checkpoint=work / "generator.pt",
        report=report,
        average=0.999,
    )
    transformer.load_state_dict(weights)
    transformer.half().save_pretrained(out / "transformer")
    DPMSolverMultistepScheduler.from_config(
        schedule.config, algorithm_type="dpmsolver++", final_sigmas_type="zero"
    ).save_pretrained(out / "scheduler")
    done.touch()

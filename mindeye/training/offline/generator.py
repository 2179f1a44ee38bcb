"""Trains the offline generator: a small latent diffusion transformer that sees CLIP tokens."""

from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.models.attention_processor import AttnProcessor
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mindeye.models.generator_network import new_generator_network, save_generator_network
from mindeye.training.offline.pictures import batch_rows
from mindeye.training.offline.resumable import Stage, train

# Share of training samples whose tokens are zeros, so that guidance has something to lean on.
DROP_TOKENS = 0.1
# Share of samples with noise on the tokens, and its largest level in standard deviations.
NOISY_TOKENS = 0.5
TOKEN_NOISE = 0.6
NUM_TIMES = 1000
STATISTICS_IMAGES = 3000


def noise_schedule() -> DDPMScheduler:
    """The cosine schedule with v-prediction (arXiv:2202.00512): steady from noise to picture."""
    return DDPMScheduler(
        num_train_timesteps=NUM_TIMES,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def train_generator(
    tokens: np.ndarray,
    latents: np.ndarray,
    out: Path,
    stage: Stage,
) -> None:
    """Trains on cached (tokens, latents) and writes transformer and scheduler folders to `out`."""
    if stage.done.exists():
        return
    torch.manual_seed(stage.seed)
    network = new_generator_network(latents.shape[1:], *token_statistics(tokens))
    # A quarter faster on a CPU than the fused attention, whose backward pass is slow there.
    network.transformer.set_attn_processor(AttnProcessor())
    schedule = noise_schedule()

    def step_losses(step: int) -> dict[str, Tensor]:
        rows = np.sort(batch_rows(len(tokens), stage.batch, step, stage.seed))
        generator = torch.Generator().manual_seed(stage.seed * 1_000_003 + step)
        clean = torch.from_numpy(latents[rows]).float()
        seen = network.standardise(torch.from_numpy(tokens[rows]).float())
        noise = torch.randn(clean.shape, generator=generator)
        times = training_times(stage.batch, generator)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = network(
                schedule.add_noise(clean, noise, times), times, blur_tokens(seen, generator)
            )
        wanted = schedule.get_velocity(clean, noise, times)
        return {"velocity": functional.mse_loss(predicted.float(), wanted)}

    weights = train(
        network,
        step_losses,
        stage,
        learning_rate=1e-3,
        weight_decay=0.0,
        average=0.999,
    )
    network.load_state_dict(weights)
    save_generator_network(network, out)
    DPMSolverMultistepScheduler.from_config(
        schedule.config, algorithm_type="dpmsolver++", final_sigmas_type="zero"
    ).save_pretrained(out / "scheduler")
    stage.done.touch()


def token_statistics(tokens: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over images of every token element."""
    sample = torch.from_numpy(tokens[:: max(1, len(tokens) // STATISTICS_IMAGES)]).float()
    return sample.mean(0), sample.std(0).clamp_min(1e-4)


def training_times(batch: int, generator: torch.Generator) -> Tensor:
    """Times of density proportional to t: what is drawn where is settled while noise is strong."""
    return (NUM_TIMES * torch.rand(batch, generator=generator).sqrt()).long()


def blur_tokens(
    standardised: Float[Tensor, "images tokens width"], generator: torch.Generator
) -> Float[Tensor, "images tokens width"]:
    """Silences some pictures' tokens and adds noise to half, as decoded tokens are never exact."""
    size = (len(standardised), 1, 1)
    kept = torch.rand(size, generator=generator) >= DROP_TOKENS
    noisy = torch.rand(size, generator=generator) < NOISY_TOKENS
    level = torch.rand(size, generator=generator) * noisy * TOKEN_NOISE
    noise = torch.randn(standardised.shape, generator=generator)
    return kept * (standardised + level * noise)

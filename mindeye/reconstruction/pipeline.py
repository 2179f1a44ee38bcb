"""Decoded tokens -> candidates -> selection -> pictures on disk: models meet generators here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.config import to_mapping
from mindeye.files import save_arrays
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_pictures
from mindeye.reconstruction.candidate_noise import candidate_generators, noises, normal_noise
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.picture_folder import (
    Reconstruction,
    begin_folder,
    finish_folder,
    is_finished,
    load_reconstruction,
)
from mindeye.reconstruction.prior_sampler import SampleTokens
from mindeye.reconstruction.selection import second_order_scores
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.types import Decoded, require_unique

# Images in one block: drawn together, saved together, the unit of resuming.
BLOCK = 20

# Of OpenAI's CLIP, by which MindEye1 normalises blurry pictures; ours has other numbers.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class Artist:
    """The frozen networks that turn tokens into pictures and look at them again."""

    clip: ClipTarget
    vae: VaeTarget
    generator: ImageGenerator


@torch.inference_mode()
def reconstruct(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    out: Path,
    *,
    sample_tokens: SampleTokens | None,
    about: dict,
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws every decoded image into `out`; a rerun draws only what is missing.

    Args:
        sample_tokens: see `prior_sampler`; None takes the brain tokens as image tokens (a
            regression to tokens needs no prior).
        about: provenance that is saved with the pictures, such as run and banner.

    Raises:
        ValueError: `out` holds reconstructions of other settings or images.
    """
    require_unique(decoded.image_ids)
    identity = {
        "settings": to_mapping(config),
        "generator": artist.generator.identity,
        "image_ids": decoded.image_ids.tolist(),
        "about": about,
    }
    begin_folder(out, identity)
    if is_finished(out):
        return load_reconstruction(out)
    for start in range(0, len(decoded.image_ids), BLOCK):
        part = out / "parts" / f"{start:06d}.safetensors"
        if not part.exists():
            rows = slice(start, start + BLOCK)
            arrays = draw_block(_rows(decoded, rows), artist, config, sample_tokens)
            save_arrays(part, arrays)
        if progress:
            progress(min(start + BLOCK, len(decoded.image_ids)), len(decoded.image_ids))
    return finish_folder(out, config)


def draw_block(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
) -> dict[str, np.ndarray]:
    """Candidates, scores and blurry pictures of a few images.

    Each candidate has a stream of noise of its own: first the prior's, then the random tokens of
    `random_unconditional`, then the generator's.
    """
    images, count = len(decoded.image_ids), config.candidates
    generators = candidate_generators(config.seed, decoded.image_ids.tolist(), count)
    brain = decoded.brain_tokens.repeat_interleave(count, dim=0)
    shape = tuple(brain.shape[1:])
    tokens = sample_tokens(brain, noises(generators, shape)) if sample_tokens else brain
    randomly = "random_unconditional" in config.quirks
    unconditional = normal_noise(generators, shape) if randomly else None
    blurry = None if decoded.latents is None else artist.vae.images(decoded.latents)
    start = None
    if blurry is not None and config.strength < 1:
        start = start_of(blurry, config).repeat_interleave(count, dim=0)
    pictures = artist.generator.generate(
        tokens,
        start=start,
        strength=config.strength,
        steps=config.steps,
        guidance=config.guidance,
        generators=generators,
        unconditional=unconditional,
    )
    if "shifted_range" in config.quirks:
        # Of x in [-1, 1], this is 0.8 x + 0.2.
        pictures = (1.6 * pictures - 0.6).clamp(0, 1)
    seen = embedding_of(artist.clip.tokens(pictures)).unflatten(0, (images, count))
    arrays = {
        "image_ids": decoded.image_ids.numpy(),
        "candidates": as_pictures(pictures.unflatten(0, (images, count))),
        "scores": second_order_scores(seen, decoded.embeddings).cpu().numpy(),
    }
    return arrays if blurry is None else {**arrays, "blurry": as_pictures(blurry)}


def start_of(
    blurry: Float[Tensor, "images 3 rows columns"], config: ReconstructionConfig
) -> Float[Tensor, "images 3 rows columns"]:
    """What img2img starts from: the blurry pictures, RGB in [0, 1].

    With `clip_normalised_start`, what makes the VAE's encoder, which takes 2 x - 1, see them
    normalised for CLIP; MindEye1, whose quirk it is, also leaves out clamping to [0, 1] before.
    """
    if "clip_normalised_start" not in config.quirks:
        return blurry
    mean, std = (blurry.new_tensor(value).view(3, 1, 1) for value in (CLIP_MEAN, CLIP_STD))
    return ((blurry - mean) / std + 1) / 2


def _rows(decoded: Decoded, rows: slice) -> Decoded:
    return Decoded(*(None if value is None else value[rows] for value in decoded))

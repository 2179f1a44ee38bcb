"""How good the offline networks are, on scenes that none of them was trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.metrics.identification import two_way_wins
from mindeye.pictures import as_images
from mindeye.simulate.scenes import KINDS, draw_scene, scene_of
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.training.offline.clip import name_prompts
from mindeye.training.offline.pictures import PICTURE_SIDE, SCENE_SEED

BATCH = 100


@dataclass(frozen=True, kw_only=True)
class OfflineScores:
    """Scores on the same held-out scenes."""

    num_scenes: int
    naming: float
    """Share of scenes whose kind has the most similar bare caption, of all kinds."""
    psnr_db: float
    """Mean over pictures of the VAE's peak signal to noise ratio."""


def held_out_images(num_scenes: int) -> Float[Tensor, "images 3 height width"]:
    """Scenes 0.. of the training seed; training took its own ids from FIRST_TRAINING_ID on."""
    pictures = [draw_scene(scene_of(SCENE_SEED, one), PICTURE_SIDE) for one in range(num_scenes)]
    return as_images(np.stack(pictures))


@torch.inference_mode()
def offline_scores(clip: ClipTarget, vae: VaeTarget, num_scenes: int = 500) -> OfflineScores:
    """Zero-shot naming by CLIP and reconstruction by the VAE."""
    images = held_out_images(num_scenes)
    rebuilt = torch.cat([vae.images(vae.latents(block)) for block in images.split(BATCH)])
    errors = (rebuilt - images).square().flatten(1).mean(1)
    return OfflineScores(
        num_scenes=num_scenes,
        naming=share_named(images, clip),
        psnr_db=float((-10 * errors.log10()).mean()),
    )


@torch.inference_mode()
def share_named(images: Float[Tensor, "images 3 height width"], clip: ClipTarget) -> float:
    """Share of pictures of held-out scenes 0, 1, ... whose main thing CLIP names rightly."""
    kinds = list(KINDS)
    true = [kinds.index(scene_of(SCENE_SEED, one).kind) for one in range(len(images))]
    texts = clip.text_embeddings(name_prompts())
    embeddings = torch.cat([clip.tokens(block)[:, 0] for block in images.split(BATCH)])
    named = (embeddings @ texts.T).argmax(1).cpu()
    return float((named == torch.tensor(true)).double().mean())


@torch.inference_mode()
def identification_of_drawings(
    drawn: Float[Tensor, "images 3 height width"],
    shown: Float[Tensor, "images 3 height width"],
    clip: ClipTarget,
) -> float:
    """Two-way identification, in CLIP's embedding, of pictures drawn from true tokens."""
    ours, theirs = (
        torch.cat([clip.tokens(block)[:, 0] for block in one.split(BATCH)])
        for one in (drawn, shown)
    )
    return float(two_way_wins(ours, theirs).mean())

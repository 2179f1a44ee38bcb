"""Losses of what the low-level head's latents look like, through the frozen VAE's decoder."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mindeye.losses import edge_distance, pixel_distance
from mindeye.targets.vae import VaeTarget
from mindeye.training.experiment import LossConfig


def decoded_losses(
    latents: Float[Tensor, "trials channels rows columns"],
    shown: Float[Tensor, "trials 3 height width"],
    wanted: Int[Tensor, "trials"],
    vae: VaeTarget,
    config: LossConfig,
) -> dict[str, Tensor]:
    """Weighted losses of pixels and edges, each where it has a weight.

    Args:
        shown: `comparable` pictures of the batch.
        wanted: which of them is wanted of each trial.
    """
    smaller = functional.interpolate(
        latents, size=_sides(latents.shape[-2:], config), mode="bilinear", align_corners=False
    )
    decoded, shown = vae.unclamped(smaller), shown[wanted]
    losses = {}
    if config.pixels:
        losses["pixels"] = config.pixels * pixel_distance(decoded, shown)
    if config.sobel:
        losses["sobel"] = config.sobel * edge_distance(decoded, shown)
    return losses


def comparable(
    pictures: Float[Tensor, "images 3 height width"], vae: VaeTarget, config: LossConfig
) -> Float[Tensor, "images 3 rows columns"]:
    """Pictures at the size in which latents are decoded (bilinear, antialiased)."""
    sides = [side * vae.factor for side in _sides(vae.latent_shape[1:], config)]
    if list(pictures.shape[-2:]) == sides:
        return pictures
    return functional.interpolate(pictures, size=sides, mode="bilinear", antialias=True)


def _sides(latent_sides: tuple[int, ...], config: LossConfig) -> tuple[int, ...]:
    return tuple(max(1, round(side * config.decoded_scale)) for side in latent_sides)

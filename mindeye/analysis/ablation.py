"""What the trained decoder loses when a region falls silent: about the model, not the brain."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.reconstruction.decode import decode
from mindeye.types import RepeatBatch


def embeddings_without(
    decoder: Decoder,
    scans: RepeatBatch,
    silent: Bool[Tensor, "voxels"],
    training_mean: Float[Tensor, "voxels"],
) -> Float[Tensor, "images features"]:
    """Embeddings of scans in which the silent voxels stand at their mean over training trials.

    The decoder was never trained without them, so a loss shows what this decoder leans on; a
    region that it ignores may still tell as much.
    """
    betas = torch.where(silent, training_mean.to(scans.betas.dtype), scans.betas)
    return decode(decoder, replace(scans, betas=betas)).embeddings.cpu()


def training_mean(train: RepeatBatch) -> Float[Tensor, "voxels"]:
    """Mean over all training trials, float32."""
    present = train.present.unsqueeze(-1)
    total = torch.where(present, train.betas, train.betas.new_zeros(())).float().sum((0, 1))
    return total / train.present.sum()

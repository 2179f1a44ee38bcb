"""Runs a trained decoder on a split: betas -> everything that it says of the images."""

import torch

from mindeye.models.decoder import Decoder
from mindeye.types import Decoded, RepeatBatch

BATCH = 256


@torch.inference_mode()
def decode(decoder: Decoder, scans: RepeatBatch) -> Decoded:
    """Decodes the mean over each image's repeats (as MindEye1 does); the prior is not sampled."""
    device = next(decoder.parameters()).device
    decoder.eval()
    outputs = [decoder(block.to(device), scans.subject) for block in scans.mean().split(BATCH)]
    parts = [one.low_level_latents for one in outputs]
    latents = None if parts[0] is None else torch.cat(parts)
    return Decoded(
        image_ids=scans.image_ids,
        brain_tokens=torch.cat([one.brain_tokens for one in outputs]),
        embeddings=torch.cat([one.embeddings for one in outputs]),
        image_tokens=None,
        latents=latents,
    )

"""Runs a trained decoder on a split: betas -> everything that it says of the images."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mindeye.models.decoder import Decoder, DecoderOutput
from mindeye.types import Decoded, RepeatBatch

BATCH = 256


@torch.inference_mode()
def decode(decoder: Decoder, scans: RepeatBatch, *, averaged_outputs: bool = False) -> Decoded:
    """Decodes the mean over each image's repeats (as MindEye1 does); the prior is not sampled.

    Args:
        averaged_outputs: decodes each repeat, and averages brain tokens, retrieval tokens and
            latents (as MindEye2 does).

    Raises:
        FloatingPointError: NaN or infinity in what is decoded; names the images.
    """
    device = next(decoder.parameters()).device
    decoder.eval()
    if averaged_outputs:
        blocks = zip(scans.betas.split(BATCH), scans.present.split(BATCH))
        outputs = [
            _mean_output(decoder(betas[present].float().to(device), scans.subject), present)
            for betas, present in blocks
        ]
    else:
        outputs = [decoder(block.to(device), scans.subject) for block in scans.mean().split(BATCH)]
    parts = [one.low_level_latents for one in outputs]
    latents = None if parts[0] is None else torch.cat(parts)
    decoded = Decoded(
        image_ids=scans.image_ids,
        brain_tokens=torch.cat([one.brain_tokens for one in outputs]),
        embeddings=torch.cat([one.embeddings for one in outputs]),
        image_tokens=None,
        latents=latents,
    )
    _require_finite(decoded)
    return decoded


def _require_finite(decoded: Decoded) -> None:
    for name, values in (
        ("tokens", decoded.brain_tokens),
        ("embeddings", decoded.embeddings),
        ("latents", decoded.latents),
    ):
        if values is None:
            continue
        finite = torch.isfinite(values).flatten(1).all(dim=1).cpu()
        if not finite.all():
            wrong = decoded.image_ids[~finite].tolist()
            shown = ", ".join(str(one) for one in wrong[:5]) + (", ..." if wrong[5:] else "")
            raise FloatingPointError(
                f"The decoded {name} of {len(wrong)} of {len(finite)} images hold NaN or infinity "
                f"(image ids {shown}). Look for NaN in their scans, and in the run's weights."
            )


def _mean_output(output: DecoderOutput, present: Bool[Tensor, "images repeats"]) -> DecoderOutput:
    """Outputs of the repeats that are present, image by image -> their means."""
    counts = present.sum(1).tolist()

    def mean(values: Float[Tensor, "trials ..."] | None) -> Float[Tensor, "images ..."] | None:
        if values is None:
            return None
        return torch.stack([of_image.mean(0) for of_image in values.split(counts)])

    return DecoderOutput(*(mean(values) for values in output))

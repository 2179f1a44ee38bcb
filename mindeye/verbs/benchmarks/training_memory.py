"""What memory a benchmarked step will take, told before it takes it."""

from pathlib import Path

import torch

from mindeye.models.decoder import Decoder
from mindeye.training.compute import MOMENT_BYTES
from mindeye.verbs.benchmarks.training_variants import Size, Variant

# Python, torch, and what a step holds besides parameters, seen at small sizes.
OVERHEAD_BYTES = 0.8e9


def require_memory(size: Size, variant: Variant, batch: int) -> None:
    """Refuses a step that would not fit.

    Raises:
        ValueError: names what it takes and what there is.
    """
    needed, available = needed_bytes(size, variant, batch), available_bytes()
    if available is not None and needed > available:
        raise ValueError(
            f"`{variant.what}` takes about {needed / 1e9:.1f} GB, but {available / 1e9:.1f} GB are "
            "available. Close other programs, or give a smaller --size or --width."
        )


def needed_bytes(size: Size, variant: Variant, batch: int) -> float:
    """Parameters, gradients, moments, what AdamW makes in between, activations, CLIP."""
    with torch.device("meta"):
        decoder = Decoder(
            size.decoder(is_compact=variant.is_compact),
            num_voxels_of={1: size.voxels},
            token_shape=(size.num_tokens, size.token_width),
            latent_shape=(4, 8, 8),
        )
    counts = [one.numel() for one in decoder.parameters()]
    gradients = max(counts) if variant.compute.free_gradients else sum(counts)
    per_parameter = 4 + MOMENT_BYTES[variant.compute.optimizer_state]
    total = per_parameter * sum(counts) + 4 * gradients
    if not (variant.is_ours or variant.is_fused):
        # The loop's root of the second moment and its quotient, each as large as the parameter.
        total += 8 * max(counts)
    tokens = batch * 2 * size.num_tokens
    heads = 3 * size.token_width // 64 * batch * (2 * size.num_tokens) ** 2
    total += 4 * size.prior_depth * (tokens * 30 * size.token_width + heads)
    if not variant.is_cached:
        total += 4 * 12 * size.clip_layers * size.clip_width**2
    return total + OVERHEAD_BYTES


def available_bytes() -> float | None:
    """Memory that a new process may take, with swap; None where the system does not say.

    What is swapped is waited for, and processor time does not count waiting.
    """
    about = Path("/proc/meminfo")
    if not about.exists():
        return None
    lines = dict(line.split(":") for line in about.read_text().splitlines())
    return 1024 * sum(float(lines[name].split()[0]) for name in ("MemAvailable", "SwapFree"))

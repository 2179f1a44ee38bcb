"""What memory drawing takes, and how many pictures at once a limit allows."""

import os
from pathlib import Path

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.drawing import Artist, draw_block
from mindeye.reconstruction.picture_folder import is_finished
from mindeye.reconstruction.prior_sampler import SampleTokens
from mindeye.reconstruction.settings import BatchAsked, ReconstructionConfig
from mindeye.types import Decoded

# More at once gains nothing, and all of a batch's pictures wait in memory to be saved.
MOST_PICTURES = 512


def batch_for(
    asked: BatchAsked,
    out: Path,
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
) -> BatchSize | None:
    """The batch that was asked for; None where nothing was, or where `out` is finished.

    Raises:
        ValueError: not even one picture fits, see `batch_within`.
    """
    if is_finished(out):
        return None
    if asked.max_memory is not None:
        return batch_within(asked.max_memory, decoded, artist, config, sample_tokens)
    return None if asked.pictures is None else BatchSize(asked.pictures)


def batch_within(
    limit: float,
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
) -> BatchSize:
    """The batch with which drawing stays within `limit` bytes of the device that draws.

    The first image is drawn once, picture by picture, to see what one takes; what is then held,
    networks and all, is taken off the limit.

    Raises:
        ValueError: not even one picture fits; names what is held and what one takes.
    """
    one = picture_bytes(decoded, artist, config, sample_tokens)
    # Afterwards: weights that lie in mapped files are in memory only once they have been used.
    held = held_bytes(decoded.brain_tokens.device)
    pictures = int((limit - held) // one)
    if pictures < 1:
        raise ValueError(
            f"A memory limit of {limit / 1e9:.2f} GB is too small: {held / 1e9:.2f} GB are held, "
            f"networks and all, and a picture takes {one / 1e9:.3f} GB. "
            f"Pass --max-memory {(held + one) / 1e9 + 0.01:.2f}G or more."
        )
    return BatchSize(min(pictures, MOST_PICTURES))


def held_bytes(device: torch.device) -> int:
    """Of an accelerator what is allocated, of a CPU what of the process lies in memory now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


@torch.inference_mode()
def picture_bytes(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
) -> int:
    """The most that drawing one picture takes at a time besides the networks, as measured."""
    device = decoded.brain_tokens.device
    first = Decoded(*(None if value is None else value[:1] for value in decoded))

    def draw() -> None:
        draw_block(first, artist, config, sample_tokens, BatchSize(1))

    if device.type == "cuda":
        held = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        draw()
        return torch.cuda.max_memory_allocated(device) - held
    # Or the profiler says on standard error that it found no GPU, and when it starts and stops: its
    # levels end at 5, which is what these two lines have.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        draw()
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most

"""Decoded tokens -> candidates with their scores, in batches of any size."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_pictures
from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.candidate_noise import candidate_generator, noises, normal_noise
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.prior_sampler import SampleTokens
from mindeye.reconstruction.selection import second_order_scores
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.types import Decoded

# Of OpenAI's CLIP, by which MindEye1 normalises blurry pictures; ours has other numbers.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

STAGES = ("blurry", "prior", "generator", "scoring")
"""What drawing consists of, in the order of `seconds`."""


@dataclass(frozen=True, kw_only=True)
class Artist:
    """The frozen networks that turn tokens into pictures and look at them again."""

    clip: ClipTarget
    vae: VaeTarget
    generator: ImageGenerator


def draw_block(
    decoded: Decoded,
    artist: Artist,
    config: ReconstructionConfig,
    sample_tokens: SampleTokens | None,
    batch: BatchSize | None = None,
) -> dict[str, np.ndarray]:
    """Candidates of a few images, with all that is known of them; first axis images.

    Each candidate has a stream of noise of its own: first the prior's, then the random tokens of
    `random_unconditional`, then the generator's.

    Args:
        batch: pictures at once; None draws all together. Another size changes pictures as far as
            sums are rounded in another order, no further.

    Returns:
        image_ids; of each candidate its picture (candidates), scores, image_tokens (float16) and
        seconds in each of `STAGES` (an equal share of its batch's); blurry, where there are
        latents.

    Raises:
        FloatingPointError: image tokens with NaN or infinity.
        MemoryError: the device has no room for a single picture.
    """
    images, count = len(decoded.image_ids), config.candidates
    batch = BatchSize() if batch is None else batch
    clock = StageClock(decoded.brain_tokens.device)
    blurry = None
    if decoded.latents is not None:
        latents = decoded.latents
        with clock("blurry"):
            parts = batch.in_parts(images, lambda rows: artist.vae.images(latents[rows]))
        blurry = torch.cat(parts)
    decoding = clock.taken() / (images * count)
    draw = CandidateDrawing(decoded, blurry, artist, config, sample_tokens, clock)
    drawn = [list(arrays) for arrays in zip(*batch.in_parts(images * count, draw), strict=True)]
    tokens, pictures, seconds = (
        np.concatenate(parts).reshape(images, count, *parts[0].shape[1:]) for parts in drawn[1:]
    )
    seen = torch.cat(drawn[0]).unflatten(0, (images, count))
    arrays = {
        "image_ids": decoded.image_ids.numpy(),
        "candidates": pictures,
        "scores": second_order_scores(seen, decoded.embeddings).cpu().numpy(),
        "image_tokens": tokens,
        "seconds": seconds + decoding,
    }
    return arrays if blurry is None else {**arrays, "blurry": as_pictures(blurry)}


@dataclass(frozen=True)
class CandidateDrawing:
    """Draws any of the candidates of some images, those of one image beside each other."""

    decoded: Decoded
    blurry: Float[Tensor, "images 3 rows columns"] | None
    artist: Artist
    config: ReconstructionConfig
    sample_tokens: SampleTokens | None
    clock: "StageClock"

    def __call__(
        self, rows: slice
    ) -> tuple[Float[Tensor, "candidates features"], np.ndarray, np.ndarray, np.ndarray]:
        """What CLIP sees of some candidates, their image tokens, pictures and seconds."""
        self.clock.taken()
        count = self.config.candidates
        numbers = range(len(self.decoded.image_ids) * count)[rows]
        ids = self.decoded.image_ids.tolist()
        generators = tuple(
            candidate_generator(self.config.seed, ids[one // count], one % count) for one in numbers
        )
        images = torch.tensor([one // count for one in numbers])
        with self.clock("prior"):
            tokens = self._image_tokens(images, generators)
        with self.clock("generator"):
            pictures = self._pictures(images, tokens, generators)
        with self.clock("scoring"):
            seen = embedding_of(self.artist.clip.tokens(pictures))
        seconds = np.tile(self.clock.taken() / len(numbers), (len(numbers), 1))
        return seen, tokens.half().cpu().numpy(), as_pictures(pictures), seconds

    def _image_tokens(
        self, images: Tensor, generators: tuple[torch.Generator, ...]
    ) -> Float[Tensor, "candidates tokens width"]:
        brain = self.decoded.brain_tokens[images]
        if self.sample_tokens is None:
            return brain
        tokens = self.sample_tokens(brain, noises(generators, tuple(brain.shape[1:])))
        finite = torch.isfinite(tokens).flatten(1).all(1).cpu()
        if not finite.all():
            first = self.decoded.image_ids[images[~finite][0]]
            raise FloatingPointError(
                f"The prior's tokens of image {int(first)} hold NaN or infinity. "
                "Are the scans and the weights finite? Try a smaller --prior-guidance."
            )
        return tokens

    def _pictures(
        self,
        images: Tensor,
        tokens: Float[Tensor, "candidates tokens width"],
        generators: tuple[torch.Generator, ...],
    ) -> Float[Tensor, "candidates 3 rows columns"]:
        config = self.config
        randomly = "random_unconditional" in config.quirks
        start = None
        if self.blurry is not None and config.strength < 1:
            start = start_of(self.blurry[images], config)
        pictures = self.artist.generator.generate(
            tokens,
            start=start,
            strength=config.strength,
            steps=config.steps,
            guidance=config.guidance,
            generators=generators,
            unconditional=normal_noise(generators, tuple(tokens.shape[1:])) if randomly else None,
        )
        if "shifted_range" in config.quirks:
            # Of x in [-1, 1], this is 0.8 x + 0.2.
            pictures = (1.6 * pictures - 0.6).clamp(0, 1)
        return pictures


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


class StageClock:
    """Seconds in each of `STAGES`; an accelerator is waited for at both ends of a stage."""

    def __init__(self, device: torch.device) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._wait: Callable[[], None] = (
            torch.cuda.synchronize if device.type == "cuda" else lambda: None
        )

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._wait()
        began = time.perf_counter()
        yield
        self._wait()
        self._seconds[stage] += time.perf_counter() - began

    def taken(self) -> Float32[np.ndarray, "stages"]:
        """What was measured since this was last asked for."""
        seconds = np.array([self._seconds[stage] for stage in STAGES], dtype=np.float32)
        self._seconds = dict.fromkeys(STAGES, 0.0)
        return seconds

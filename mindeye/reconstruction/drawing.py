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
from mindeye.reconstruction.selection import chosen_among, second_order_scores, spreads
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
    token_dtype: torch.dtype = torch.float16,
) -> dict[str, np.ndarray]:
    """Candidates of a few images, with all that is known of them; first axis images.

    Each candidate has a stream of noise of its own: first the prior's, then the random tokens of
    `random_unconditional`, then the generator's. What `average` draws has that of the first.

    Args:
        batch: pictures at once; None draws all together. Another size changes pictures as far as
            sums are rounded in another order, no further.
        token_dtype: in which the prior's tokens are returned.

    Returns:
        image_ids; of each candidate its picture (candidates), scores, image_tokens and
        seconds in each of `STAGES` (an equal share of its batch's); brain_tokens (float16); which
        candidate is chosen; spread, where there are several (of their CLIP tokens, or of the
        prior's tokens where `average` draws one picture of them); blurry, where there are latents.

    Raises:
        FloatingPointError: image tokens with NaN or infinity.
        MemoryError: the device has no room for a single picture.
    """
    images, count = len(decoded.image_ids), num_pictures(config)
    batch = BatchSize() if batch is None else batch
    clock = StageClock(decoded.brain_tokens.device)
    blurry = None
    if decoded.latents is not None:
        latents = decoded.latents
        with clock("blurry"):
            parts = batch.in_parts(images, lambda rows: artist.vae.images(latents[rows]))
        blurry = torch.cat(parts)
    decoding = clock.taken() / (images * count)
    draw = CandidateDrawing(decoded, blurry, artist, config, sample_tokens, clock, token_dtype)
    drawn = [list(arrays) for arrays in zip(*batch.in_parts(images * count, draw), strict=True)]
    tokens, pictures, seconds = (
        np.concatenate(parts).reshape(images, -1, *parts[0].shape[2:]) for parts in drawn[1:]
    )
    seen = torch.cat(drawn[0]).unflatten(0, (images, count))
    arrays = {
        "image_ids": decoded.image_ids.numpy(),
        "candidates": pictures,
        "image_tokens": tokens,
        "brain_tokens": decoded.brain_tokens.half().cpu().numpy(),
        "seconds": seconds + decoding,
        **judged(seen, torch.from_numpy(tokens), decoded.embeddings, config),
    }
    return arrays if blurry is None else {**arrays, "blurry": as_pictures(blurry)}


def judged(
    seen: Float[Tensor, "images pictures features"],
    tokens: Float[Tensor, "images candidates tokens width"],
    embeddings: Float[Tensor, "images features"],
    config: ReconstructionConfig,
) -> dict[str, np.ndarray]:
    """What is thought of the candidates, by the scan and by each other: no image is known here.

    Args:
        seen: CLIP tokens of the pictures.
        tokens: of the prior.
    """
    scores = second_order_scores(seen, embeddings)
    chosen = chosen_among(seen, scores, config.selection)
    arrays = {"scores": scores.cpu().numpy(), "chosen": chosen.cpu().numpy()}
    if config.candidates > 1:
        varied = seen if seen.shape[1] > 1 else tokens.float().flatten(2)
        arrays["spread"] = spreads(varied).cpu().numpy()
    return arrays


@dataclass(frozen=True)
class CandidateDrawing:
    """Draws any of the pictures of some images, those of one image beside each other."""

    decoded: Decoded
    blurry: Float[Tensor, "images 3 rows columns"] | None
    artist: Artist
    config: ReconstructionConfig
    sample_tokens: SampleTokens | None
    clock: "StageClock"
    token_dtype: torch.dtype

    def __call__(
        self, rows: slice
    ) -> tuple[Float[Tensor, "candidates features"], np.ndarray, np.ndarray, np.ndarray]:
        """What CLIP sees of some candidates, their image tokens, pictures and seconds."""
        self.clock.taken()
        count = num_pictures(self.config)
        samples = self.config.candidates // count
        numbers = range(len(self.decoded.image_ids) * count)[rows]
        ids = self.decoded.image_ids.tolist()
        generators = tuple(
            candidate_generator(self.config.seed, ids[one // count], one % count * samples + sample)
            for one in numbers
            for sample in range(samples)
        )
        images = torch.tensor([one // count for one in numbers])
        with self.clock("prior"):
            sampled = self._image_tokens(images.repeat_interleave(samples), generators)
            sampled = sampled.unflatten(0, (len(numbers), samples))
            tokens = sampled[:, 0] if samples == 1 else sampled.mean(1)
        with self.clock("generator"):
            pictures = self._pictures(images, tokens, generators[::samples])
        with self.clock("scoring"):
            seen = embedding_of(self.artist.clip.tokens(pictures))
        seconds = np.tile(self.clock.taken() / len(numbers), (len(numbers), 1, 1))
        kept = sampled.to(self.token_dtype).cpu().numpy()
        return seen, kept, as_pictures(pictures)[:, None], seconds

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


def num_pictures(config: ReconstructionConfig) -> int:
    """Pictures that are drawn of each image."""
    return 1 if config.selection == "average" else config.candidates


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

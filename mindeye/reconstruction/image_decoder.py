"""One image's scans -> everything that a run says of it, whatever else the scan holds."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mindeye.pictures import as_pictures
from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.candidate_noise import candidate_generators, noises
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.decoder_run import DecoderRun
from mindeye.reconstruction.drawing import STAGES as DRAWING_STAGES
from mindeye.reconstruction.drawing import draw_block
from mindeye.reconstruction.picture_folder import blended, chosen_candidates
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.types import Decoded, RepeatBatch

STAGES = ("read", "z-score", "decode", "prior", "draw")
"""From a file to its picture; those that were not measured for a trial are left out."""


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """What was decoded of one image, and how long each stage took."""

    arrays: dict[str, np.ndarray]
    """First axis 1: image_ids, brain_tokens, embeddings, image_tokens and, where the run gives
    them, latents, blurry, pictures (the chosen candidates), scores (of all) and chosen."""
    seconds: dict[str, float]


class ImageDecoder:
    """Decodes image by image: no picture depends, to the bit, on the others of its scan.

    What belongs to a picture number (a seed, see `candidate_seed`) is drawn alike in every scan.
    """

    def __init__(self, run: DecoderRun, config: ReconstructionConfig) -> None:
        """Raises LookupError and ValueError for samplers and steps that the prior cannot take."""
        self.run, self.config = run, config
        self.sample_tokens = prior_sampler(run.decoder.prior, config)
        # One for all images: what memory once was too small for is not tried again.
        self.batch = BatchSize()

    @torch.inference_mode()
    def decode(self, betas: Float32[np.ndarray, "repeats voxels"], number: int) -> DecodedImage:
        """Decodes the z-scored repeats of one image.

        Args:
            number: image id, or trial number where the image is not known; gives the noise.
        """
        started = time.perf_counter()
        decoded = decode(
            self.run.decoder,
            RepeatBatch(
                subject=self.run.subject,
                betas=torch.from_numpy(betas)[None],
                present=torch.ones(1, len(betas), dtype=torch.bool),
                image_ids=torch.tensor([number]),
            ),
            averaged_outputs="averaged_outputs" in self.config.quirks,
        )
        arrays = {
            "image_ids": np.array([number]),
            "brain_tokens": decoded.brain_tokens.cpu().numpy(),
            "embeddings": decoded.embeddings.cpu().numpy(),
        }
        if decoded.latents is not None:
            arrays["latents"] = decoded.latents.cpu().numpy()
        seconds = {"decode": time.perf_counter() - started}
        started = time.perf_counter()
        drawn, tokens, prior = self._drawn(decoded)
        seconds |= {"prior": prior, "draw": time.perf_counter() - started - prior}
        if self.config.selection == "average":
            tokens = tokens.mean(0, keepdim=True)
        chosen = int(drawn["chosen"][0]) if "chosen" in drawn else 0
        arrays["image_tokens"] = tokens[chosen : chosen + 1].numpy()
        return DecodedImage(arrays=arrays | drawn, seconds=seconds)

    def _drawn(
        self, decoded: Decoded
    ) -> tuple[dict[str, np.ndarray], Float[Tensor, "candidates tokens width"], float]:
        """Pictures as far as the run's networks give them, what the prior sampled, its seconds."""
        if self.run.artist is None:
            tokens, seconds = self._sampled(decoded)
            if self.run.vae is None or decoded.latents is None:
                return {}, tokens, seconds
            return {"blurry": as_pictures(self.run.vae.images(decoded.latents))}, tokens, seconds
        given = (decoded, self.run.artist, self.config, self.sample_tokens, self.batch)
        block = draw_block(*given, token_dtype=torch.float32)
        drawn = {name: block[name] for name in ("scores", "chosen")}
        drawn["pictures"] = chosen_candidates(block)
        if "blurry" in block:
            drawn["blurry"] = block["blurry"]
            if "blended_with_blurry" in self.config.quirks:
                drawn["pictures"] = blended(drawn["pictures"], block["blurry"])
        seconds = float(block["seconds"][..., DRAWING_STAGES.index("prior")].sum())
        return drawn, torch.from_numpy(block["image_tokens"][0]), seconds

    def _sampled(self, decoded: Decoded) -> tuple[Float[Tensor, "one tokens width"], float]:
        """The first candidate's tokens, where nothing can be drawn of them."""
        started = time.perf_counter()
        (generator,) = candidate_generators(self.config.seed, decoded.image_ids.tolist(), 1)
        brain = decoded.brain_tokens
        # To the CPU before the clock is read: an accelerator answers before it has finished.
        tokens = self.sample_tokens(brain, noises((generator,), tuple(brain.shape[1:]))).cpu()
        return tokens, time.perf_counter() - started

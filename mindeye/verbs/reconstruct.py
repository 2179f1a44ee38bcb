"""`mindeye reconstruct`: a run's test scans -> pictures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run
from mindeye.reconstruction.pipeline import (
    Reconstruction,
    ReconstructionConfig,
    SampleTokens,
    reconstruct,
)
from mindeye.types import RepeatBatch


def reconstruct_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    num_images: int | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws test images of a run, all or `num_images` drawn at random by `config.seed`."""
    run = open_run(run_path, subject=subject, data=data, device=device)
    scans = test_scans(run.prepared, num_images, config.seed)
    return reconstruct(
        decode(run.decoder, scans),
        open_artist(run, device),
        config,
        out,
        sample_tokens=prior_sampler(run, config),
        about={**run.about, "system": "mindeye"},
        progress=progress,
    )


def prior_sampler(run: OpenRun, config: ReconstructionConfig) -> SampleTokens:
    """The run's prior as a function (brain tokens, noise) -> image tokens."""

    def sample(brain_tokens: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return run.decoder.prior.sample(
            brain_tokens, noise, config.prior_steps, config.prior_guidance
        )

    return sample


def test_scans(prepared: PreparedSubject, num_images: int | None, seed: int) -> RepeatBatch:
    """All test images, or some drawn at random by seed; ascending image ids.

    Raises:
        ValueError: more images asked for than there are.
    """
    scans = prepared.repeats("test")
    total = len(scans.image_ids)
    if num_images is None:
        return scans
    if not 2 <= num_images <= total:
        raise ValueError(
            f"{num_images} test images asked for, but this subject has {total}. "
            f"Choose from 2 to {total}."
        )
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(total)[:num_images]))
    return RepeatBatch(
        subject=scans.subject,
        betas=scans.betas[rows],
        present=scans.present[rows],
        image_ids=scans.image_ids[rows],
    )

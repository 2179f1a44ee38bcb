"""`mindeye reconstruct`: a run's test scans -> pictures."""

from collections.abc import Callable
from dataclasses import dataclass
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
from mindeye.run import RunFolder
from mindeye.targets.vae import load_vae
from mindeye.types import RepeatBatch
from mindeye.verbs.device import require_device


@dataclass(frozen=True, kw_only=True)
class ReconstructionPlan:
    """What a reconstruction will draw and how much room it takes."""

    subject: int
    split: str
    num_images: int
    num_candidates: int
    side: int
    """Of a picture, in pixels."""
    simulated: dict | None

    @property
    def num_pictures(self) -> int:
        """Blurry ones not counted: they are decoded, not drawn."""
        return self.num_images * self.num_candidates

    @property
    def num_bytes(self) -> int:
        """The most that lies on the disk at once, in raw pixels.

        Candidates and blurry pictures stand in the parts and, for a moment, in the file that
        joins them; the chosen and the blurry ones are PNGs too.
        """
        stacks = self.num_pictures + self.num_images
        return 3 * self.side**2 * (2 * stacks + 2 * self.num_images)


def reconstruct_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws images of one split, all or `num_images` drawn at random by `config.seed`."""
    require_device(device)
    run = open_run(run_path, subject=subject, data=data, device=device)
    scans = scans_of(run.prepared, split, num_images, config.seed)
    return reconstruct(
        decode(run.decoder, scans),
        open_artist(run, device),
        config,
        out,
        sample_tokens=prior_sampler(run, config),
        about={**run.about, "split": split, "system": "mindeye"},
        progress=progress,
    )


def plan_reconstruction(
    run_path: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
) -> ReconstructionPlan:
    """Counts what `reconstruct_run` would draw; reads manifests, decodes and writes nothing.

    Raises:
        FileNotFoundError: no run, an unfinished one, or its prepared folder is gone.
        LookupError: a subject that the run was not trained on.
        ValueError: more images asked for than there are.
    """
    folder = RunFolder(path=run_path)
    folder.require_finished()
    provenance = folder.provenance()
    places = dict(zip([one["subject"] for one in provenance["data"]], provenance["paths"]["data"]))
    subject = subject if subject is not None else next(iter(places))
    if subject not in places:
        raise LookupError(
            f"{run_path} was not trained on subject {subject}; it knows "
            f"{', '.join(str(one) for one in places)}. Choose one of these with --subject."
        )
    manifest = PreparedSubject(data or places[subject]).manifest
    vae = load_vae(provenance["paths"]["vae"])
    total = manifest["splits"][split]["num_images"]
    return ReconstructionPlan(
        subject=subject,
        split=split,
        num_images=_count_of(num_images, total),
        num_candidates=config.candidates,
        side=vae.latent_shape[-1] * vae.factor,
        simulated=manifest["simulated"],
    )


def prior_sampler(run: OpenRun, config: ReconstructionConfig) -> SampleTokens:
    """The run's prior as a function (brain tokens, noise) -> image tokens."""

    def sample(brain_tokens: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return run.decoder.prior.sample(
            brain_tokens,
            noises=[noise],
            steps=config.prior_steps,
            guidance=config.prior_guidance,
        )

    return sample


def scans_of(
    prepared: PreparedSubject, split: str, num_images: int | None, seed: int
) -> RepeatBatch:
    """All images of a split, or some drawn at random by seed; ascending image ids.

    Settings are chosen on `validation`, so that `test` judges what it has not helped to choose.

    Raises:
        ValueError: more images asked for than there are.
    """
    scans = prepared.repeats(split)
    total = len(scans.image_ids)
    if num_images is None:
        return scans
    count = _count_of(num_images, total)
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(total)[:count]))
    return RepeatBatch(
        subject=scans.subject,
        betas=scans.betas[rows],
        present=scans.present[rows],
        image_ids=scans.image_ids[rows],
    )


def _count_of(num_images: int | None, total: int) -> int:
    """How many of the test images: those asked for, or all."""
    if num_images is None:
        return total
    if not 2 <= num_images <= total:
        raise ValueError(
            f"{num_images} test images asked for, but this subject has {total}. "
            f"Choose from 2 to {total}."
        )
    return num_images

"""`mindeye compact`: a trained run with a dense token head -> one with a head of low rank."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, holds_something, sha256_of
from mindeye.models.architecture import write_architecture
from mindeye.models.decoder import Decoder
from mindeye.models.meta_device import on_meta
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.models.token_head import LowRankHead, LowRankHeadConfig
from mindeye.reconstruction.opening import OpenRun, open_run
from mindeye.run import RunFolder
from mindeye.training.ranges import require_count

IMAGES_AT_ONCE = 256
HEAD = "token_head."

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class CompactionConfig:
    """What a compacted run holds in the place of a training's configuration."""

    run: Path
    rank: int


class HiddenMoments(NamedTuple):
    """Of the hidden states of training images."""

    num_images: int
    mean: Float[Tensor, "latent"]
    covariance: Float[Tensor, "latent latent"]


def compact_run(
    run_path: Path, out: Path, rank: int, *, progress: Progress | None = None
) -> RunFolder:
    """Writes the run again, its dense token head replaced by the nearest of low rank.

    Nearest for the hidden states of the scans that the run was trained on, each image's repeats
    averaged (`LowRankHead.of`); all other weights stay.

    Raises:
        FileNotFoundError: no run, an unfinished one, or the scans that it was trained on are gone.
        ValueError: a run whose head is compact, a converted one, a rank that saves nothing, or
            `out` is taken.
    """
    require_count("rank", rank)
    if holds_something(out):
        raise ValueError(f"{out} is not empty. Choose another folder for the compacted run.")
    opened = open_run(run_path)
    compact = _compacted(opened, rank)
    num_bytes = 4 * sum(one.numel() for one in compact.state_dict().values())
    require_free_space(out, num_bytes, "The compacted run")
    moments = hidden_moments(opened, progress or (lambda done, total: None))
    dense = opened.decoder.token_head
    head = LowRankHead.of(dense, moments.mean, moments.covariance, rank)
    kept = {
        name: one for name, one in opened.decoder.state_dict().items() if not name.startswith(HEAD)
    }
    provenance = {
        **opened.folder.provenance(),
        "compacted": {
            "weights": sha256_of(opened.folder.weights_path),
            "rank": rank,
            "images": moments.num_images,
        },
    }
    with atomic_folder(out) as temporary:
        run = RunFolder(path=temporary)
        run.begin(CompactionConfig(run=run_path.resolve(), rank=rank), provenance)
        write_architecture(temporary / ARCHITECTURE_FILE, compact.architecture)
        shutil.copytree(run_path / "bundle", temporary / "bundle")
        run.finish({**kept, **{f"{HEAD}{name}": one for name, one in head.state_dict().items()}})
    return RunFolder(path=out)


def _compacted(run: OpenRun, rank: int) -> Decoder:
    """The decoder that there will be, without memory for its weights."""
    config = run.decoder.config
    if config.token_head is not None:
        raise ValueError(
            f"The token head of {run.folder.path} is compact already ({config.token_head}). "
            "Give a run that was trained with a dense one."
        )
    compact = replace(config, token_head=LowRankHeadConfig(rank=rank))
    return on_meta(lambda: Decoder.of(replace(run.decoder.architecture, decoder=compact)))


@torch.inference_mode()
def hidden_moments(run: OpenRun, progress: Progress) -> HiddenMoments:
    """Mean and covariance over all training images of all subjects."""
    decoder = run.decoder
    width = decoder.token_head.linear.in_features
    total, products = torch.zeros(width).double(), torch.zeros(width, width).double()
    count = 0
    for hidden in _hidden_states(run, progress):
        count += len(hidden)
        total += hidden.sum(0)
        products += hidden.T @ hidden
    mean = total / count
    return HiddenMoments(count, mean, products / count - torch.outer(mean, mean))


def _hidden_states(run: OpenRun, progress: Progress) -> Iterator[Float[Tensor, "images latent"]]:
    decoder = run.decoder
    subjects = [one["subject"] for one in run.provenance["data"]]
    opened = [
        run if one == subjects[0] else open_run(run.folder.path, subject=one) for one in subjects
    ]
    scans = [one.prepared.mapped_repeats("train") for one in opened]
    done, total = 0, sum(len(one.image_ids) for one in scans)
    for subject, repeats in zip(subjects, scans, strict=True):
        for rows in torch.arange(len(repeats.image_ids)).split(IMAGES_AT_ONCE):
            betas = repeats.take(rows).mean()
            yield decoder.backbone(decoder.ridge(betas, subject)).double()
            done += len(rows)
            progress(done, total)

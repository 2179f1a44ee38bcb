"""`mindeye compact`: a trained run with a dense token head -> one with a head of low rank."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.config import dump_yaml, load_yaml
from mindeye.data.batches import PreparedSubject
from mindeye.disk import require_free_space
from mindeye.files import atomic_folder, holds_something, sha256_of
from mindeye.models.architecture import write_architecture
from mindeye.models.decoder import Decoder
from mindeye.models.meta_device import on_meta
from mindeye.models.saved import ARCHITECTURE_FILE, load_decoder
from mindeye.models.token_head import LowRankHead, LowRankHeadConfig, TokenHead
from mindeye.reconstruction.run_scans import training_scans
from mindeye.run import RunFolder
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.ranges import require_count

IMAGES_AT_ONCE = 256
HEAD = "token_head."
TUNING_FILE = "tuning.yaml"
# Of the training's epochs and learning rate: what served best on validation images of two
# simulated subjects, among 5 and 8 of 30 epochs and rates of 3 to 30 %. With the contrast of
# mixed trials first, as in the training: without it, single trials were found less well.
TUNED_EPOCHS, TUNED_RATE = 8 / 30, 0.3

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
    run_path: Path,
    out: Path,
    rank: int,
    *,
    data: Sequence[Path] = (),
    progress: Progress | None = None,
) -> RunFolder:
    """Writes the run again, its dense token head replaced by the nearest of low rank.

    Nearest for the hidden states of the scans that the run was trained on, each image's repeats
    averaged (`LowRankHead.of`); all other weights stay. Beside them lies the configuration of a
    training that goes on from there (`tuning_of`).

    Args:
        data: prepared folders that have moved since the training, each known by its subject.

    Raises:
        FileNotFoundError: no run, an unfinished one, or the scans that it was trained on are gone.
        LookupError: scans of a subject that the run was not trained on.
        ValueError: a run whose head is compact, a converted one, a rank that saves nothing, or
            `out` is taken.
    """
    require_count("rank", rank)
    if holds_something(out):
        raise ValueError(f"{out} is not empty. Choose another folder for the compacted run.")
    folder = RunFolder(path=run_path)
    folder.require_finished()
    provenance = folder.provenance()
    scans = _training_scans(run_path, provenance, data)
    decoder = load_decoder(run_path)
    compact = _compacted(run_path, decoder, rank)
    num_bytes = 4 * sum(one.numel() for one in compact.state_dict().values())
    require_free_space(out, num_bytes, "The compacted run")
    moments = hidden_moments(decoder, scans, progress or (lambda done, total: None))
    head = LowRankHead.of(decoder.token_head, moments.mean, moments.covariance, rank)
    kept = {name: one for name, one in decoder.state_dict().items() if not name.startswith(HEAD)}
    trained = load_yaml(ExperimentConfig, folder.config_path)
    told = {
        "weights": sha256_of(folder.weights_path),
        "rank": rank,
        "images": moments.num_images,
    }
    about = {**provenance, "compacted": told}
    if data:
        about["paths"] = {**provenance["paths"], "data": [str(one.path.resolve()) for one in scans]}
        # Subjects that the run kept from the one that it started from stand last, and not in this.
        own = scans[: len(trained.data)]
        trained = replace(trained, data=tuple(one.path.resolve() for one in own))
    with atomic_folder(out) as temporary:
        run = RunFolder(path=temporary)
        run.begin(CompactionConfig(run=run_path.resolve(), rank=rank), about)
        write_architecture(temporary / ARCHITECTURE_FILE, compact.architecture)
        shutil.copytree(run_path / "bundle", temporary / "bundle")
        dump_yaml(tuning_of(trained, rank, out.resolve()), temporary / TUNING_FILE)
        run.finish({**kept, **{f"{HEAD}{name}": one for name, one in head.state_dict().items()}})
    return RunFolder(path=out)


def tuning_of(config: ExperimentConfig, rank: int, start: Path | None) -> ExperimentConfig:
    """How a run that was trained so is trained on from where it was compacted."""
    schedule = config.schedule
    return replace(
        config,
        decoder=replace(config.decoder, token_head=LowRankHeadConfig(rank=rank)),
        schedule=replace(
            schedule,
            num_epochs=max(1, round(TUNED_EPOCHS * schedule.num_epochs)),
            learning_rate=TUNED_RATE * schedule.learning_rate,
        ),
        parts=None,
        start_from=start,
    )


def _training_scans(
    path: Path, provenance: Mapping[str, Any], data: Sequence[Path]
) -> list[PreparedSubject]:
    """Of all subjects; neither CLIP nor VAE nor what they say of the pictures is needed."""
    if not provenance["data"]:
        raise ValueError(
            f"{path} was converted from a published checkpoint and names no scans, whose hidden "
            "states tell what a smaller head must keep. Fine-tune it first: `mindeye train` with "
            "`start_from`."
        )
    trained, place_of = [one["subject"] for one in provenance["data"]], {}
    for place in data:
        subject = PreparedSubject(place).subject
        if subject not in trained:
            raise LookupError(
                f"{place} is of subject {subject}, but {path} was trained on "
                f"{', '.join(map(str, trained))}. Give their folders, or leave --data out."
            )
        if subject in place_of:
            raise ValueError(
                f"{place_of[subject]} and {place} are both of subject {subject}. Give one."
            )
        place_of[subject] = place
    return [
        training_scans(provenance, index, place_of.get(subject))
        for index, subject in enumerate(trained)
    ]


def _compacted(path: Path, decoder: Decoder, rank: int) -> Decoder:
    """The decoder that there will be, without memory for its weights."""
    if not isinstance(decoder.token_head, TokenHead):
        raise ValueError(
            f"The token head of {path} is compact already ({decoder.config.token_head}). "
            "Give a run that was trained with a dense one."
        )
    config, linear = LowRankHeadConfig(rank=rank), decoder.token_head.linear
    per_rank, dense = linear.in_features + linear.out_features, linear.weight.numel()
    if rank * per_rank >= dense:
        raise ValueError(
            f"A head of rank {rank} would hold {rank * per_rank:,} weights, but the dense one of "
            f"{path} {dense:,}. Choose less than {ceil(dense / per_rank)}."
        )
    compact = replace(decoder.config, token_head=config)
    return on_meta(lambda: Decoder.of(replace(decoder.architecture, decoder=compact)))


@torch.inference_mode()
def hidden_moments(
    decoder: Decoder, scans: Sequence[PreparedSubject], progress: Progress
) -> HiddenMoments:
    """Mean and covariance over all training images of all subjects."""
    width = decoder.token_head.linear.in_features
    total, products = torch.zeros(width).double(), torch.zeros(width, width).double()
    count = 0
    for hidden in _hidden_states(decoder, scans, progress):
        count += len(hidden)
        total += hidden.sum(0)
        products += hidden.T @ hidden
    mean = total / count
    return HiddenMoments(count, mean, products / count - torch.outer(mean, mean))


def _hidden_states(
    decoder: Decoder, scans: Sequence[PreparedSubject], progress: Progress
) -> Iterator[Float[Tensor, "images latent"]]:
    train = [one.mapped_repeats("train") for one in scans]
    done, total = 0, sum(len(one.image_ids) for one in train)
    for prepared, repeats in zip(scans, train, strict=True):
        for rows in torch.arange(len(repeats.image_ids)).split(IMAGES_AT_ONCE):
            betas = repeats.take(rows).mean()
            yield decoder.backbone(decoder.ridge(betas, prepared.subject)).double()
            done += len(rows)
            progress(done, total)

"""Which scan of an image a training step sees: its repeats are single trials of one image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mindeye.types import RepeatBatch

# MindEye1's low-level network: shares of weighted and of plain means; single trials are the rest.
WEIGHTED_SHARE, MEAN_SHARE = 0.5, 0.3


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where in the training a batch is presented, and what it may draw from."""

    step: int
    pass_number: int
    """How many times all images have been shown before."""
    seed: int
    mean_of_repeats: float
    generator: torch.Generator


def presented(
    batch: RepeatBatch, presentation: str, moment: Moment
) -> Float[Tensor, "images voxels"]:
    """One scan an image, chosen as `PRESENTATIONS` names it.

    Raises:
        LookupError: unknown presentation.
    """
    if presentation not in PRESENTATIONS:
        raise LookupError(
            f"Unknown schedule.presentation `{presentation}`. "
            f"Choose one of {', '.join(PRESENTATIONS)}."
        )
    return PRESENTATIONS[presentation](batch, moment)


def drawn(batch: RepeatBatch, moment: Moment) -> Float[Tensor, "images voxels"]:
    """A random repeat, or (with the chance `mean_of_repeats`) the mean of a random subset.

    Test scans are means over repeats, so training sees both single trials and means.
    """
    images, repeats, _ = batch.betas.shape
    generator = moment.generator
    chances = torch.rand(images, repeats, generator=generator) * batch.present
    single = nn.functional.one_hot(chances.argmax(1), repeats).bool()
    subset = (chances > torch.rand(images, 1, generator=generator)) | single
    as_mean = torch.rand(images, 1, generator=generator) < moment.mean_of_repeats
    chosen = torch.where(as_mean, subset & batch.present, single).to(batch.betas.dtype)
    return _weighted_mean(batch, chosen)


def cyclic(batch: RepeatBatch, moment: Moment) -> Float[Tensor, "images voxels"]:
    """The same repeat of every image, another one at the next step (MindEye1, released code).

    Differs where an image lacks that repeat: the published files hold a copy of another one, and
    here the images' own repeats are counted through.
    """
    turn = torch.full((len(batch.present),), moment.step)
    return _of_turn(batch, turn)


def trials(batch: RepeatBatch, moment: Moment) -> Float[Tensor, "images voxels"]:
    """A single trial; three passes over the images show every trial once (MindEye2).

    An image that was shown less often repeats itself within the three.

    In which order an image's trials come follows from (seed, image, number of the three passes).
    """
    repeats = batch.present.shape[1]
    rounds, place = divmod(moment.pass_number, repeats)
    starts = [
        int(np.random.default_rng([moment.seed, rounds, image_id]).integers(repeats))
        for image_id in batch.image_ids.tolist()
    ]
    return _of_turn(batch, torch.tensor(starts) + place)


def weighted(batch: RepeatBatch, moment: Moment) -> Float[Tensor, "images voxels"]:
    """One of three for the whole batch: means with random weights, plain means, single trials.

    Source: MindEye1's low-level network (arXiv:2305.18274 A.4, released code).
    """
    generator = moment.generator
    kind = torch.rand((), generator=generator).item()
    weights = torch.rand(batch.present.shape, generator=generator) * batch.present
    if kind >= WEIGHTED_SHARE + MEAN_SHARE:
        single = nn.functional.one_hot(weights.argmax(1), weights.shape[1])
        return _weighted_mean(batch, single.to(batch.betas.dtype))
    if kind >= WEIGHTED_SHARE:
        weights = batch.present.to(batch.betas.dtype)
    return _weighted_mean(batch, weights)


PRESENTATIONS: dict[str, Callable[[RepeatBatch, Moment], Tensor]] = {
    "drawn": drawn,
    "cyclic": cyclic,
    "trials": trials,
    "weighted": weighted,
}


def _of_turn(batch: RepeatBatch, turn: Int[Tensor, "images"]) -> Float[Tensor, "images voxels"]:
    """The repeat of each image that its turn falls on; absent repeats are not counted."""
    turn = turn % batch.present.sum(1)
    place = batch.present.long().cumsum(1) - 1
    chosen = (place == turn.unsqueeze(1)) & batch.present
    return _weighted_mean(batch, chosen.to(batch.betas.dtype))


def _weighted_mean(
    batch: RepeatBatch, weights: Float[Tensor, "images repeats"]
) -> Float[Tensor, "images voxels"]:
    return torch.einsum("irv,ir->iv", batch.betas, weights / weights.sum(1, keepdim=True))

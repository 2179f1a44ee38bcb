"""Which images make the batch of a step: a function of seed and step alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mindeye.data.batches import epoch_order


@dataclass(frozen=True, kw_only=True)
class BatchRows:
    """The training images of one step."""

    step: int
    pass_number: int
    """How many times all images were shown before."""
    rows_of: Mapping[int, Int[Tensor, "images"]]
    """Subject -> rows of its training images."""


def batches_in_pass(num_images_of: Mapping[int, int], batch: int, together: bool) -> int:
    """Full batches in which every image is shown once (of each subject as many, if `together`).

    Raises:
        ValueError: a subject has fewer images than a batch takes of it.
    """
    share = share_of(num_images_of, batch, together)
    counts = [len(epoch_order(images, share, seed=0, epoch=0)) for images in num_images_of.values()]
    return min(counts) if together else sum(counts)


def share_of(num_images_of: Mapping[int, int], batch: int, together: bool) -> int:
    """Images of one subject in a batch.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    subjects = len(num_images_of)
    if together and batch % subjects:
        raise ValueError(
            f"A batch of {batch} cannot be shared evenly by {subjects} subjects. "
            f"Choose a schedule.batch that {subjects} divides."
        )
    return batch // subjects if together else batch


def batch_rows(
    num_images_of: Mapping[int, int],
    batch: int,
    seed: int,
    *,
    first: int,
    num_steps: int,
    together: bool = False,
) -> Iterator[BatchRows]:
    """The batches of steps `first` to `num_steps` - 1.

    A pass shuffles each subject's images into full batches. One subject a batch: the batches of
    all subjects are shuffled among each other. `together`: every batch takes as many of each.
    """
    per_pass = batches_in_pass(num_images_of, batch, together)
    share = share_of(num_images_of, batch, together)
    for number in range(first // per_pass, -(-num_steps // per_pass)):
        order_of = {
            subject: torch.from_numpy(
                epoch_order(images, share, derived_seed(seed, subject), number)
            )
            for subject, images in num_images_of.items()
        }
        pieces = _joint(order_of, per_pass) if together else _shuffled(order_of, seed, number)
        for index, rows_of in enumerate(pieces):
            step = number * per_pass + index
            if first <= step < num_steps:
                yield BatchRows(step=step, pass_number=number, rows_of=rows_of)


def _joint(order_of: Mapping[int, Tensor], per_pass: int) -> list[dict[int, Tensor]]:
    return [{subject: rows[i] for subject, rows in order_of.items()} for i in range(per_pass)]


def _shuffled(order_of: Mapping[int, Tensor], seed: int, number: int) -> list[dict[int, Tensor]]:
    pieces = [{subject: one} for subject, rows in order_of.items() for one in rows]
    order = np.random.default_rng([seed, number]).permutation(len(pieces))
    return [pieces[place] for place in order]


def derived_seed(*parts: int) -> int:
    """One seed from several numbers; neighbouring numbers give unrelated seeds."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)

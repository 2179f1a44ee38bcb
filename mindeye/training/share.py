"""The part of a batch that one process computes at once; losses stay those of the whole batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mindeye.training.among_processes import of_all_processes
from mindeye.types import SubjectBatch


@dataclass(frozen=True, kw_only=True)
class Share:
    """Trials `first` to `last` - 1 of a batch.

    What shares make of a loss adds up, over all shares of the batch, to the loss of the batch, and
    so do the gradients: a mean counts by its trials (`of_mean`), and a contrast between all trials
    (`of_contrast`) is computed in every share, each with the gradient of its own trials.
    """

    first: int
    last: int
    num_trials: int
    """Of the whole batch."""
    known: Mapping[str, Tensor] = field(default_factory=dict)
    """Outputs of all trials by name, from an earlier pass; else the processes tell each other."""

    @property
    def is_whole(self) -> bool:
        return self.last - self.first == self.num_trials

    @property
    def weight(self) -> float:
        return (self.last - self.first) / self.num_trials

    def rows(self, of_all: Tensor) -> Tensor:
        """This share's rows of something that all trials have."""
        return of_all[self.first : self.last]

    def parts(self, parts: Sequence[SubjectBatch]) -> list[SubjectBatch]:
        """This share's trials of each subject, in some cases none.

        No subject is left out, so that a step trains the same ridge layers in every process.
        """
        if self.is_whole:
            return list(parts)
        cuts = self.cuts([len(part.betas) for part in parts])
        return [
            replace(part, betas=part.betas[cut], image_ids=part.image_ids[cut])
            for part, cut in zip(parts, cuts, strict=True)
        ]

    def cuts(self, trials_of: Sequence[int]) -> Iterator[slice]:
        """Which trials of each subject are this share's, where each has so many in the batch."""
        start = 0
        for trials in trials_of:
            first, last = (min(max(one - start, 0), trials) for one in (self.first, self.last))
            yield slice(first, last)
            start += trials

    def among_all(self, name: str, own: Tensor) -> Tensor:
        """An output of all trials; gradients reach those of this share."""
        if self.is_whole:
            return own
        every = self.known[name] if name in self.known else of_all_processes(own)
        return torch.cat([every[: self.first], own, every[self.last :]])

    def of_mean(self, mean: Tensor) -> Tensor:
        """What this share adds to a mean over trials, given its own trials' mean."""
        return mean if self.is_whole else self.weight * mean

    def of_contrast(self, loss: Tensor) -> Tensor:
        """What this share adds to a loss in which each trial meets all: all of its gradient."""
        return loss if self.is_whole else loss - (1 - self.weight) * loss.detach()


def whole(num_trials: int) -> Share:
    """All trials at once."""
    return Share(first=0, last=num_trials, num_trials=num_trials)


def process_share(num_trials: int, process: int, num_processes: int) -> Share:
    """What one of several processes computes of a batch: as many trials as each of the others.

    Raises:
        ValueError: the processes would get unequal shares.
    """
    if num_trials % num_processes:
        raise ValueError(
            f"A batch of {num_trials} images cannot be shared evenly by {num_processes} processes. "
            f"Choose a schedule.batch that {num_processes} divides."
        )
    size = num_trials // num_processes
    return Share(first=process * size, last=(process + 1) * size, num_trials=num_trials)


def in_turns(share: Share, micro_batch: int | None) -> list[Share]:
    """The same trials, at most `micro_batch` at once."""
    size = min(micro_batch or share.num_trials, share.last - share.first)
    return [
        replace(share, first=first, last=min(first + size, share.last))
        for first in range(share.first, share.last, size)
    ]

"""What an experiment showed that only tests: image ids of their own, and what they stand for."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

EXPERIMENT_OF = {"nsd-synthetic": "nsdsynthetic", "nsd-imagery": "nsdimagery"}
"""Protocol -> experiment."""
FIRST_IMAGE_ID = {"nsdsynthetic": 1_000_000, "nsdimagery": 2_000_000}
"""Far above NSD's own ids, 0 to 72,999, so that no picture is taken for another one.

nsdsynthetic: the first plus the picture's number, 0 to 219; the pictures in colours that were
chosen for one subject, 220 to 283, are that subject's own: 1,000 times the subject is added.
nsdimagery: the first plus 10 times the set (A 0, B 1) plus the target's number, 1 to 6. What is
seen and what is imagined of one target are one picture and have one id.
"""
OWN_IDS_PER_SUBJECT = 1_000
TARGET_IDS_PER_SET = 10


class Stimulus(NamedTuple):
    """One picture and where it comes from."""

    image_id: int
    name: str
    nsd_image_id: int | None = None
    """Of pictures that NSD's main experiment showed too: their 73k id, 0-based."""


@dataclass(frozen=True, kw_only=True)
class TransferTrials:
    """The trials of one session that have a picture."""

    rows: Int[np.ndarray, "trials"]
    """Ascending rows of the session's betas."""
    image_ids: Int[np.ndarray, "trials"]
    runs: Int[np.ndarray, "trials"]
    """From 1."""
    run_of_row: Int[np.ndarray, "betas"]
    """Of every beta of the session, used or not."""
    stimuli: tuple[Stimulus, ...]
    """By ascending image id."""
    pictures: UInt8[np.ndarray, "stimuli side side 3"]
    how: str
    """How pictures on a screen became squares."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> what has no place in the test."""

    def repeats(self) -> Int[np.ndarray, "trials"]:
        """How often each trial's image had been shown before among these trials."""
        seen: dict[int, int] = {}
        counted = []
        for image_id in self.image_ids.tolist():
            counted.append(seen.get(image_id, 0))
            seen[image_id] = counted[-1] + 1
        return np.array(counted, dtype=np.int64)

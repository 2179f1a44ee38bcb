"""What was shown when in nsdsynthetic."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Int

from mindeye.data.design import BROKEN_MATLAB
from mindeye.nsd_experiments import (
    NUM_SYNTHETIC_IMAGES,
    OTHER_EXPERIMENTS,
    SYNTHETIC_RUNS,
)


@dataclass(frozen=True, kw_only=True)
class SyntheticDesign:
    """Every trial of nsdsynthetic. Its images have numbers of their own, which count from 0."""

    image_numbers: Int[np.ndarray, "trials"]
    """0 to 219 are shared by all subjects, 220 to 283 are this subject's own colour images."""
    runs: Int[np.ndarray, "trials"]
    """1 to 8."""


def read_synthetic_design(path: Path) -> SyntheticDesign:
    """Reads nsdsynthetic_expdesign.mat; its numbers count from 1, ours from 0.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or another number of trials or images.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        content = scipy.io.loadmat(path)
        numbers = content["masterordering"].reshape(-1).astype(np.int64) - 1
        pattern = content["stimpattern"].astype(np.int64)
    except BROKEN_MATLAB as error:
        raise ValueError(
            f"{path} cannot be read as the design of nsdsynthetic ({error!r}). "
            "Was its download cut off?"
        ) from error
    num_trials = OTHER_EXPERIMENTS["nsdsynthetic"]
    per_run = pattern.reshape(-1, pattern.shape[-1]).sum(1)
    if len(numbers) != num_trials or len(per_run) != SYNTHETIC_RUNS or per_run.sum() != num_trials:
        raise ValueError(
            f"{path} has {len(numbers)} trials, and {per_run.tolist()} in its runs. nsdsynthetic "
            f"has {num_trials} trials in {SYNTHETIC_RUNS} runs: is this another experiment's file?"
        )
    if numbers.min() < 0 or numbers.max() >= NUM_SYNTHETIC_IMAGES:
        raise ValueError(
            f"{path}: masterordering runs from {numbers.min() + 1} to {numbers.max() + 1}, but "
            f"there are images 1 to {NUM_SYNTHETIC_IMAGES}. Is the file damaged?"
        )
    return SyntheticDesign(
        image_numbers=numbers, runs=np.repeat(np.arange(1, SYNTHETIC_RUNS + 1), per_run)
    )

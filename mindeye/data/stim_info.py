"""NSD's table of images: who was planned to see which one when."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
from jaxtyping import Bool, Int

from mindeye import nsd_layout as layout

_SUBJECTS = range(1, layout.NUM_SUBJECTS + 1)
_REPEATS = range(layout.REPEATS_PER_IMAGE)


class StimInfo(NamedTuple):
    """The rows of nsd_stim_info_merged.csv; row = image id, trials count from 0."""

    is_shared: Bool[np.ndarray, "images"]
    is_seen: Bool[np.ndarray, "subjects images"]
    """By design, acquired or not."""
    trials: Int[np.ndarray, "subjects repeats images"]
    """When an image was planned to be shown; -1 where it was not."""

    def acquired_trials(self, subject: int, num_trials: int) -> Int[np.ndarray, "repeats images"]:
        """Trials of one subject, -1 also where the scans ended before them."""
        planned = self.trials[subject - 1]
        return np.where(planned < num_trials, planned, -1)


def read_stim_info(path: Path) -> StimInfo:
    """Reads the csv; the .pkl beside it is the same table and is never opened.

    Raises:
        FileNotFoundError: no such file.
        ValueError: columns are missing, blank or no numbers, or the rows are not the images.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    seen = [f"subject{subject}" for subject in _SUBJECTS]
    trials = [f"{name}_rep{repeat}" for name in seen for repeat in _REPEATS]
    try:
        table = pandas.read_csv(
            path, usecols=["nsdId", "shared1000", *seen, *trials], low_memory=False
        )
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
    blank = np.flatnonzero(table.isna().any(axis=1))
    if len(blank):
        raise ValueError(
            f"{path} has blank cells in {len(blank)} rows, first row {blank[0]} (from 0). "
            "Was it cut off, or edited?"
        )
    if not np.array_equal(table["nsdId"], np.arange(layout.NUM_IMAGES)):
        raise ValueError(
            f"{path} has {len(table)} rows whose nsdId do not run from 0 to "
            f"{layout.NUM_IMAGES - 1}. Was it cut, sorted or merged again? Fetch the original."
        )
    planned = table[trials].to_numpy(np.int64).T - 1
    return StimInfo(
        table["shared1000"].to_numpy(bool),
        table[seen].to_numpy(bool).T,
        planned.reshape(layout.NUM_SUBJECTS, layout.REPEATS_PER_IMAGE, -1),
    )

"""What a user says of a folder of time series; imports nothing that is slow."""

from dataclasses import dataclass
from pathlib import Path

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
UNSTEADY = "non_steady_state_outlier*"
"""fMRIPrep's columns of the volumes before the scanner was in its steady state: some have none."""
HIGH_PASS_HZ = 0.01


@dataclass(frozen=True, kw_only=True)
class SeriesRequest:
    """How betas are to be estimated from a BIDS folder; the default says nothing."""

    space: str | None = None
    """As the names of the files have it, or `none`; None where there is only one."""
    task: str | None = None
    """The same of the task."""
    events: Path | None = None
    """A raw BIDS folder, or the events of the only run; None: beside the runs, or around them."""
    confounds: tuple[str, ...] | None = None
    """Columns of fMRIPrep's confounds, also with `*`; None: motion and unsteady volumes."""
    high_pass_hz: float | None = None
    """Of the cosine drift; None: nilearn's 0.01."""


NOTHING_ASKED = SeriesRequest()

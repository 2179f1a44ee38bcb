"""What the reader of one form hands on, before units are settled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from mindeye.data.scans.results import CheckResult
from mindeye.data.scans.table import TrialTable


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Trials as the file holds them, in the order of the model's voxels, in the file's unit."""

    betas: Float32[np.ndarray, "trials voxels"]
    form: str
    checks: tuple[CheckResult, ...]
    """Voxel count, voxel identity, grid and mask values: all passed or skipped."""
    dtype: str
    """As the file has it."""
    mean_volume: Float[np.ndarray, "x y z"] | None = None
    """Mean over trials of everything in the volume, to tell how a scan is turned."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """What else the file says of itself."""
    units: str | None = None
    """Where the form itself tells the unit."""
    trials: TrialTable | None = None
    """Where the form itself tells what was shown."""

"""MATLAB files whose bytes do not depend on the day."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io


def write_matlab(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a new file; the date in its header gives way to what wrote it."""
    stream = io.BytesIO()
    scipy.io.savemat(stream, dict(arrays), do_compression=True)
    without_date = b"MATLAB 5.0 MAT-file, simulated by mindeye".ljust(116)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(without_date + stream.getvalue()[116:])

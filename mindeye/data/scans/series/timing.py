"""When the volumes of a time series were taken."""

import math
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from jaxtyping import Float

from mindeye.files import read_json

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_TOLERANCE_S = 1e-3
_LONGEST_S = 30.0


class Timing(NamedTuple):
    """Of one run, in seconds after the start of the scan, which is what onsets count from."""

    repetition_time_s: float
    start_s: float
    """Of the first volume: the slice to which the slice timing was corrected, or 0."""
    num_volumes: int

    @property
    def times_s(self) -> Float[np.ndarray, "volumes"]:
        return self.start_s + self.repetition_time_s * np.arange(self.num_volumes)

    @property
    def end_s(self) -> float:
        return self.repetition_time_s * self.num_volumes


def read_timing(series: Path, image: nibabel.Nifti1Image, sidecar: Path) -> Timing:
    """The repetition time of header and side-car, which must agree where both tell it.

    A header without a unit of time tells none: libraries write 1 where they know nothing.

    Raises:
        ValueError: neither tells it, they disagree, or it is no time in seconds.
    """
    told = read_json(sidecar) if sidecar.exists() else {}
    if not isinstance(told, dict):
        raise ValueError(f"{sidecar} holds no names and values. Is it a BIDS side-car?")
    from_sidecar, from_header = told.get("RepetitionTime"), _header_time(image)
    for name, value in ((sidecar.name, from_sidecar), (series.name, from_header)):
        if value is not None and not (_is_number(value) and 0 < value < _LONGEST_S):
            raise ValueError(
                f"{name} says a repetition time of {value!r}. Seconds are needed, more than 0 and "
                f"less than {_LONGEST_S:g}."
            )
    if from_sidecar is None and from_header is None:
        raise ValueError(
            f"Neither the header of {series} nor {sidecar.name} tells the repetition time. Write "
            "`RepetitionTime`, in seconds, into the side-car."
        )
    if None not in (from_sidecar, from_header) and abs(from_sidecar - from_header) > _TOLERANCE_S:
        raise ValueError(
            f"The header of {series} says a repetition time of {from_header:.6g} s, but "
            f"{sidecar.name} says {from_sidecar:.6g} s. Find out which is true and mend the other."
        )
    start = told.get("StartTime", 0.0)
    if not (_is_number(start) and 0 <= start < _LONGEST_S):
        raise ValueError(f"{sidecar.name} says StartTime {start!r}. Seconds from 0 are needed.")
    time = from_header if from_sidecar is None else from_sidecar
    return Timing(float(time), float(start), image.shape[3])


def _header_time(image: nibabel.Nifti1Image) -> float | None:
    unit = image.header.get_xyzt_units()[1]
    time = float(image.header.get_zooms()[3])
    return time * _SECONDS[unit] if unit in _SECONDS and time > 0 else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

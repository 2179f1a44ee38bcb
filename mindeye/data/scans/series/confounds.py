"""Confounds of a run, by name, from fMRIPrep's table."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mindeye.data.scans.series.request import MOTION, UNSTEADY
from mindeye.data.scans.table import read_lines

_MISSING = ("n/a", "nan", "na", "")


class Confounds(NamedTuple):
    """Columns of a table."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "volumes confounds"]


def read_confounds(path: Path, wanted: Sequence[str] | None, num_volumes: int) -> Confounds:
    """The wanted columns; None asks for motion, and for unsteady volumes where there are any.

    Derivatives have no value in the first volume and take that of the second one.

    Raises:
        LookupError: no column of that name.
        ValueError: another number of rows than volumes, or a value missing elsewhere.

    Source: nilearn (0.14), `load_confounds`, which fills the first volume so.
    """
    lines, _ = read_lines(path)
    if len(lines) != num_volumes:
        raise ValueError(
            f"{path} has {len(lines)} rows, but the series has {num_volumes} volumes. Do both "
            "belong to the same run?"
        )
    present = list(lines[0].cells)
    names: list[str] = []
    for name in (*MOTION, UNSTEADY) if wanted is None else wanted:
        found = [one for one in present if fnmatchcase(one, name)]
        if not found and not (wanted is None and name == UNSTEADY):
            raise LookupError(
                f"{path} has no confound `{name}`. It has {', '.join(present[:12])}"
                f"{' and more' if len(present) > 12 else ''}."
            )
        names += [one for one in found if one not in names]
    cells = [[line.cells[name] for name in names] for line in lines]
    values = np.array([[_value(path, cell) for cell in row] for row in cells], dtype=np.float64)
    values = values.reshape(num_volumes, len(names))
    if num_volumes > 1:
        values[0] = np.where(np.isnan(values[0]), values[1], values[0])
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{path} line {row + 2} has no value of `{names[column]}`. Only the first volume may "
            "have none: leave this confound out, or run fMRIPrep again."
        )
    return Confounds(tuple(names), values)


def _value(path: Path, cell: str) -> float:
    if cell.lower() in _MISSING:
        return np.nan
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(f"{path} holds {cell!r}, no number. Was it edited?") from error

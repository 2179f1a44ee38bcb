"""Which reader a file needs, told by its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.arrays import read_array
from mindeye.data.scans.grid import read_mask
from mindeye.data.scans.nifti import read_trial_volumes, read_volumes
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.table import files_of_table

_ARRAYS = (".npy", ".npz", ".h5", ".hdf5", ".csv", ".tsv")
_KNOWN = ".nii, .nii.gz, .npy, .npz, .h5, .hdf5, .csv or .tsv"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user said of a scan beside its paths."""

    mask: Path | None = None
    trials: Path | None = None
    orientation: str | None = None
    trust: bool = False


def read_form(
    paths: Sequence[Path], bundle: VoxelBundle, asked: Asked
) -> tuple[tuple[Path, ...], Reading]:
    """The files in the order of trials, and what they hold.

    Raises:
        FileNotFoundError: a file is missing.
        LookupError: an unknown form.
        ValueError: damaged, or other voxels than the model's.
    """
    if not paths:
        raise ValueError("No scan was given. Name its file.")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing. Give the path of a scan.")
    path, kind = paths[0], _kind(paths[0])
    if kind == "nifti" and len(paths) > 1:
        ordered = _in_order_of_table(paths, asked.trials)
        return ordered, read_trial_volumes(ordered, bundle, _mask(asked))
    if len(paths) > 1:
        raise ValueError(
            f"{len(paths)} files were given, the first {path}. Give one file, or one 3-D NIfTI "
            "file for every trial."
        )
    if kind == "nifti":
        return (path,), read_volumes(path, bundle, _mask(asked))
    return (path,), read_array(path, bundle, _mask(asked), asked.orientation)


def _kind(path: Path) -> str:
    if path.name.endswith((".nii", ".nii.gz")):
        return "nifti"
    if path.suffix in _ARRAYS:
        return "array"
    raise LookupError(f"{path} has no form that can be read. Give {_KNOWN}.")


def _mask(asked: Asked):
    return None if asked.mask is None else read_mask(asked.mask)


def _in_order_of_table(paths: Sequence[Path], table: Path | None) -> tuple[Path, ...]:
    """The files as the table's column `file` has them; a path is known by its name.

    Raises:
        ValueError: no table, or other files than it names.
    """
    if table is None:
        raise ValueError(
            f"{len(paths)} volumes were given, and their names do not tell the order of trials. "
            "Pass --trials with a column `file`."
        )
    by_name = {path.name: path for path in paths}
    if len(by_name) < len(paths):
        raise ValueError(
            f"Of {len(paths)} files, {len(paths) - len(by_name)} have the name of another one. "
            "Give each trial's volume a name of its own."
        )
    names = [Path(name).name for name in files_of_table(table)]
    absent, extra = set(names) - by_name.keys(), by_name.keys() - set(names)
    if absent or extra:
        first = min(absent or extra)
        raise ValueError(
            f"{table} names {len(names)} files and {len(paths)} were given; {first!r} is only "
            f"{'in the table' if absent else 'among the given'}. Each must be in both."
        )
    return tuple(by_name[name] for name in names)

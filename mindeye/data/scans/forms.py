"""Which reader a file needs, told by its name and the names inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans import glmsingle, surfaces
from mindeye.data.scans.arrays import read_array
from mindeye.data.scans.bids import holds_series, read_bids, refuse_time_series
from mindeye.data.scans.grid import MaskFile, read_mask
from mindeye.data.scans.nifti import read_trial_volumes, read_volumes
from mindeye.data.scans.nsd_session import is_nsd_session, read_nsd_session
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.series.request import NOTHING_ASKED, SeriesRequest
from mindeye.data.scans.table import files_of_table

_NAMED = (".npz", ".h5", ".hdf5", ".mat")
_ARRAYS = (".npy", ".csv", ".tsv", *_NAMED)
_HEMISPHERES = (".gii", ".mgh", ".mgz")
_KNOWN = (
    "NIfTI (.nii, .nii.gz), arrays (.npy, .npz, .h5, .hdf5, .csv, .tsv), GLMsingle's output, CIFTI "
    "(.dscalar.nii, .dtseries.nii), GIFTI (.gii), MGH (.mgh, .mgz) or an fMRIPrep folder"
)


@dataclass(frozen=True)
class Asked:
    """What the user said of a scan beside its paths."""

    mask: Path | None = None
    trials: Path | None = None
    orientation: str | None = None
    trust: bool = False
    series: SeriesRequest = NOTHING_ASKED
    progress: Callable[[int, int], None] | None = None

    def read_mask(self) -> MaskFile | None:
        return None if self.mask is None else read_mask(self.mask)


def read_form(
    paths: Sequence[Path], bundle: VoxelBundle, asked: Asked
) -> tuple[tuple[Path, ...], Reading]:
    """The files in the order of trials, and what they hold.

    Raises:
        FileNotFoundError: a file is missing.
        LookupError: an unknown form.
        ValueError: damaged, time series instead of betas, or other voxels than the model's.
    """
    if not paths:
        raise ValueError("No scan was given. Name its file.")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing. Give the path of a scan.")
    if len(paths) == 1 and paths[0].is_dir() and holds_series(paths[0]):
        return read_bids(paths[0], bundle, asked.read_mask(), asked.series, asked.progress)
    for path in paths:
        refuse_time_series(path)
    if asked.series != NOTHING_ASKED:
        raise ValueError(
            f"{paths[0]} holds no time series, so that nothing is to be estimated. Leave out "
            "--space, --task, --events, --confounds and --high-pass."
        )
    kind = _kind(paths[0])
    if kind == "hemispheres":
        return tuple(paths), surfaces.read_hemispheres(paths, bundle, asked.mask)
    if kind == "nifti" and len(paths) > 1:
        ordered = _in_order_of_table(paths, asked.trials)
        return ordered, read_trial_volumes(ordered, bundle, asked.read_mask())
    if len(paths) > 1:
        raise ValueError(
            f"{len(paths)} files were given, the first {paths[0]}. Give one file; only 3-D NIfTI "
            "files (one a trial) and hemispheres come as several."
        )
    return tuple(paths), _read_one(paths[0], kind, bundle, asked)


def _read_one(path: Path, kind: str, bundle: VoxelBundle, asked: Asked) -> Reading:
    if kind == "cifti":
        return surfaces.read_cifti(path, bundle, asked.mask)
    mask = asked.read_mask()
    if kind == "nifti":
        return read_volumes(path, bundle, mask)
    if path.is_dir():
        path = glmsingle.file_in_folder(path)
    if _is_glmsingle(path):
        return glmsingle.read_glmsingle(path, bundle, mask, trust=asked.trust)
    if is_nsd_session(path):
        return read_nsd_session(path, bundle, mask)
    return read_array(path, bundle, mask, asked.orientation)


def _kind(path: Path) -> str:
    """
    Raises:
        LookupError: none that is known; the known ones are named.
    """
    if path.is_dir():
        if glmsingle.file_in_folder(path) is not None:
            return "array"
        raise LookupError(f"{path} is a folder without GLMsingle's output. Give {_KNOWN}.")
    if path.name.endswith((".dscalar.nii", ".dtseries.nii")):
        return "cifti"
    if path.name.endswith((".nii", ".nii.gz")):
        return "nifti"
    if path.suffix in _HEMISPHERES:
        return "hemispheres"
    if path.suffix in _ARRAYS:
        return "array"
    raise LookupError(f"{path} has no form that can be read. Give {_KNOWN}.")


def _is_glmsingle(path: Path) -> bool:
    if path.suffix in _NAMED:
        return bool(set(glmsingle.NAMES) & set(glmsingle.names_of(path)))
    return path.suffix == ".npy" and _is_object_array(path)


def _is_object_array(path: Path) -> bool:
    """Whether an .npy file holds a pickle, which its header says."""
    with path.open("rb") as stream:
        return b"'descr': '|O'" in stream.read(256)


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

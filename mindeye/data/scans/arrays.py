"""Scans in plain arrays: npy, npz, hdf5, csv and tsv, with a stated orientation."""

import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Shaped

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.grid import MaskFile
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.voxels import select_columns

TRIALS_FIRST, VOXELS_FIRST = "trials x voxels", "voxels x trials"
ORIENTATIONS = (TRIALS_FIRST, VOXELS_FIRST)
NAME = "betas"
"""What an array is called in an npz or hdf5 file that holds several."""
DAMAGED = (ValueError, EOFError, OSError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error)


def read_array(
    path: Path, bundle: VoxelBundle, mask: MaskFile | None, orientation: str | None
) -> Reading:
    """A 2-D array; without `orientation` it is taken as trials x voxels, but never turned.

    One dimension is one trial.

    Raises:
        FileNotFoundError: no such file.
        LookupError: unknown orientation, or no array of that name.
        ValueError: damaged, not 2-D, not numbers, the other way round, or other voxels.
    """
    stored = stored_array(path)
    if stored.ndim == 1:
        stored = stored[:, None] if orientation == VOXELS_FIRST else stored[None]
    return reading_of(path, stored, bundle, mask, orientation, f"array in {_kind(path)}")


def reading_of(
    path: Path,
    stored: Shaped[np.ndarray, "rows columns"],
    bundle: VoxelBundle,
    mask: MaskFile | None,
    orientation: str | None,
    form: str,
) -> Reading:
    """The reading of an array that is in memory."""
    num_columns = bundle.num_voxels if mask is None else int(mask.inside.sum())
    trials_first = _turned(path, stored, orientation, num_columns)
    selection = select_columns(path.name, trials_first.shape[1], mask, bundle)
    betas = np.ascontiguousarray(trials_first[:, selection.positions], dtype=np.float32)
    return Reading(betas=betas, form=form, checks=selection.checks, dtype=str(stored.dtype))


def stored_array(path: Path) -> Shaped[np.ndarray, "..."]:
    """The array of a file as it is stored.

    Raises:
        FileNotFoundError: no such file.
        LookupError: several arrays, none of them called `betas`.
        ValueError: damaged, or not numbers.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Give the path of a scan.")
    read = {".npy": _npy, ".npz": _npz, ".csv": _text, ".tsv": _text}.get(path.suffix, _hdf5)
    try:
        array = read(path)
    except LookupError:
        raise
    except DAMAGED as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {array.dtype}, no numbers. Save betas as floats.")
    return array


def one_of(path: Path, names: list[str]) -> str:
    """`betas`, or the only array there is.

    Raises:
        LookupError: several, none of them called `betas`.
    """
    if NAME in names:
        return NAME
    if len(names) != 1:
        raise LookupError(
            f"{path} holds {', '.join(names) or 'no array'}, and none is called `{NAME}`. "
            f"Save the betas as `{NAME}`."
        )
    return names[0]


def _turned(
    path: Path,
    stored: Shaped[np.ndarray, "..."],
    orientation: str | None,
    num_columns: int,
) -> Shaped[np.ndarray, "trials columns"]:
    """The array with trials first, if that is what it says of itself."""
    if orientation is not None and orientation not in ORIENTATIONS:
        raise LookupError(
            f"Unknown orientation `{orientation}`. Pick one of: {', '.join(ORIENTATIONS)}."
        )
    if stored.ndim != 2:
        raise ValueError(
            f"{path} has {stored.ndim} dimensions, shape {stored.shape}. Give one row a trial and "
            "one column a voxel."
        )
    rows, columns = stored.shape
    if orientation is None and rows == columns == num_columns:
        raise ValueError(
            f"{path} has {rows} rows and as many columns, so its shape does not tell which are the "
            f'trials. Pass --orientation "{TRIALS_FIRST}" or "{VOXELS_FIRST}".'
        )
    first, second, other = TRIALS_FIRST, "columns", VOXELS_FIRST
    turned = stored
    if orientation == VOXELS_FIRST:
        first, second, other, turned = VOXELS_FIRST, "rows", TRIALS_FIRST, stored.T
    if turned.shape[1] != num_columns and turned.shape[0] == num_columns:
        raise ValueError(
            f"{path} has shape {stored.shape}: read as {first}, its {second} should be "
            f'{num_columns}, as the other side is. Pass --orientation "{other}".'
        )
    return turned


def _npy(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _npz(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        return archive[one_of(path, archive.files)]


def _hdf5(path: Path) -> np.ndarray:
    with h5py.File(path, "r") as file:
        names = [name for name, one in file.items() if isinstance(one, h5py.Dataset)]
        return file[one_of(path, names)][()]


def _text(path: Path) -> Float32[np.ndarray, "rows columns"]:
    """Numbers with one row a line; a first line that holds a word is a header."""
    separator = "\t" if path.suffix == ".tsv" else ","
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = [line.split(separator) for line in lines if line.strip()]
    if rows and not all(_is_number(cell) for cell in rows[0]):
        rows = rows[1:]
    widths = sorted({len(row) for row in rows})
    if len(widths) != 1:
        raise ValueError(f"its lines have {widths[:3]} cells" if rows else "it has no row")
    return np.array(rows, dtype=np.float32)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _kind(path: Path) -> str:
    return path.suffix.removeprefix(".")

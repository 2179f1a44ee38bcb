"""THINGS-fMRI's betas, a session at a time, from a frame that pandas wrote.

Read as plain HDF5: pandas itself would open the pickles in which PyTables keeps the labels of
columns, and pickles can run code.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float32, Int

from mindeye import things_layout as layout

_GAP, _MOST_ROWS = 16, 1024
"""Rows that are read in vain to save a read, and rows in memory at a time (10 MB as float64)."""


@contextlib.contextmanager
def opened_responses(
    path: Path, num_trials: int, voxel_ids: Int[np.ndarray, "voxels"]
) -> Iterator[h5py.Dataset]:
    """The block of betas (voxels, trials), if it belongs to the tables.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, another file, or other voxels or trials than in the tables.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Fetch it from betas_csv of THINGS-fMRI (figshare plus 20492835)."
        )
    try:
        with h5py.File(path, "r") as file:
            yield _block(path, file, num_trials, voxel_ids)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def read_session(
    stored: h5py.Dataset, rows: Int[np.ndarray, "voxels"], trials: Int[np.ndarray, "trials"]
) -> Iterator[tuple[slice, Float32[np.ndarray, "trials block"]]]:
    """Betas of ascending trials at ascending rows, some voxels at a time with their place.

    Raises:
        ValueError: a beta is not finite.
    """
    first, last = int(trials[0]), int(trials[-1]) + 1
    for place in _runs(rows):
        here = rows[place]
        block = stored[int(here[0]) : int(here[-1]) + 1, first:last]
        betas = block[np.ix_(here - here[0], trials - first)].T.astype(np.float32)
        if not np.isfinite(betas).all():
            trial, voxel = np.argwhere(~np.isfinite(betas))[0]
            raise ValueError(
                f"{stored.file.filename}: voxel {here[voxel]} is NaN or infinite in trial "
                f"{trials[trial]}. Fetch the file again, or choose another ROI."
            )
        yield place, betas


def _runs(rows: Int[np.ndarray, "voxels"]) -> Iterator[slice]:
    """Parts of ascending rows that lie close together."""
    start = 0
    for position in range(1, len(rows) + 1):
        is_end = position == len(rows)
        if (
            is_end
            or rows[position] - rows[position - 1] > _GAP
            or rows[position] - rows[start] >= _MOST_ROWS
        ):
            yield slice(start, position)
            start = position


def _block(
    path: Path, file: h5py.File, num_trials: int, voxel_ids: Int[np.ndarray, "voxels"]
) -> h5py.Dataset:
    """Finds the frame's only block of floating-point numbers, and compares it with the tables."""
    groups = [one for one in file.values() if isinstance(one, h5py.Group)]
    blocks = {
        name.removesuffix("_values"): one[name]
        for one in groups
        for name in one
        if name.startswith("block") and name.endswith("_values")
    }
    betas = [block for block in blocks.values() if block.dtype.kind == "f"]
    ids = [block for block in blocks.values() if block.dtype.kind in "iu"]
    if len(groups) != 1 or len(betas) != 1 or len(ids) > 1:
        shapes = {name: (block.dtype.name, block.shape) for name, block in blocks.items()}
        raise ValueError(
            f"{path} holds {list(file)} with blocks {shapes}, but one frame with one block of "
            "floating-point numbers is needed. Is this THINGS-fMRI's ResponseData?"
        )
    wanted = (len(voxel_ids), num_trials)
    if betas[0].shape != wanted:
        raise ValueError(
            f"{path} has betas {betas[0].shape}, but the tables have {wanted} voxels and trials. "
            "Do the files belong to one subject?"
        )
    if ids and not np.array_equal(ids[0][:].reshape(-1), voxel_ids):
        raise ValueError(
            f"{path} and the table of voxels have the {layout.VOXEL_ID} in another order. "
            "Was the table sorted?"
        )
    return betas[0]

"""A session of NSD's own hdf5 betas, given as a saved scan."""

from pathlib import Path

import h5py
import numpy as np

from mindeye.data.betas import read_hdf5
from mindeye.data.bundle import VoxelBundle
from mindeye.data.roi import coordinates_of
from mindeye.data.scans.arrays import NAME
from mindeye.data.scans.grid import MaskFile
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.volume_arrays import select_in_array


def is_nsd_session(path: Path) -> bool:
    """Whether an hdf5 file holds `betas` as (trials, z, y, x) integers."""
    if path.suffix not in (".hdf5", ".h5") or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        stored = file.get(NAME)
        return isinstance(stored, h5py.Dataset) and stored.ndim == 4 and stored.dtype.kind == "i"


def read_nsd_session(path: Path, bundle: VoxelBundle, mask: MaskFile | None) -> Reading:
    """Stored integers of the model's voxels; pass them on as `nsd-int16`.

    Raises:
        ValueError: damaged.
        RefusedScanError: another grid than the model's.
    """
    with h5py.File(path, "r") as file:
        num_trials, *reversed_shape = file[NAME].shape
    shape = tuple(int(length) for length in reversed(reversed_shape))
    selection = select_in_array(path.name, shape, bundle, mask)
    wanted = np.zeros(shape, dtype=bool)
    wanted.reshape(-1)[selection.positions] = True
    raw = read_hdf5(path, wanted, num_trials)
    # Read in C order; the model's order may be another.
    read = np.ravel_multi_index(tuple(coordinates_of(wanted).T.astype(np.int64)), shape)
    betas = raw[np.searchsorted(read, selection.positions)].T.astype(np.float32)
    return Reading(
        betas=np.ascontiguousarray(betas),
        form="NSD hdf5",
        checks=selection.checks,
        dtype="int16",
    )

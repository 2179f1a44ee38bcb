"""One session file -> betas (trials, voxels) in percent signal change.

Voxels stand in C order of the (x, y, z) mask, whatever the file's own order.
"""

import gzip
import zlib
from pathlib import Path

import h5py
import nibabel
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int16

from mindeye.data.roi import coordinates_of
from mindeye.nsd_layout import PSC_SCALE

_TRIALS_PER_BLOCK = 16
_VOXELS_PER_BLOCK = 512


def read_session(
    path: Path, mask: Bool[np.ndarray, "x y z"], num_trials: int
) -> Float32[np.ndarray, "trials voxels"]:
    """One session's betas in percent signal change, from .hdf5 or .nii(.gz).

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, another grid, another number of trials, or not int16.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch it, or prepare fewer sessions.")
    read = read_hdf5 if path.suffix in (".hdf5", ".h5") else read_nifti
    raw = read(path, mask, num_trials)
    betas = np.empty((raw.shape[1], raw.shape[0]), dtype=np.float32)
    # Block by block, so that what is turned stays in the processor's cache (1.6 times faster).
    for start in range(0, len(raw), _VOXELS_PER_BLOCK):
        block = slice(start, start + _VOXELS_PER_BLOCK)
        np.divide(raw[block].T, np.float32(PSC_SCALE), out=betas[:, block])
    return betas


def read_hdf5(
    path: Path, mask: Bool[np.ndarray, "x y z"], num_trials: int
) -> Int16[np.ndarray, "voxels trials"]:
    """Stored integers of the masked voxels; the data set is (trials, z, y, x).

    Raises:
        ValueError: as `read_session`.
    """
    try:
        with h5py.File(path, "r") as file:
            if "betas" not in file:
                raise KeyError(f"it has {list(file)} and no data set `betas`")
            stored = file["betas"]
            _require_layout(path, tuple(stored.shape[::-1]), stored.dtype, mask, num_trials)
            return _read_masked(stored, coordinates_of(mask))
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def read_nifti(
    path: Path, mask: Bool[np.ndarray, "x y z"], num_trials: int
) -> Int16[np.ndarray, "voxels trials"]:
    """Stored integers of the masked voxels, streamed volume by volume.

    Raises:
        ValueError: as `read_session`.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        stored = nibabel.load(path).dataobj
        dtype = stored.dtype
        _require_layout(path, stored.shape, dtype, mask, num_trials)
        if (stored.slope, stored.inter) != (1, 0):
            raise ValueError(
                f"{path} carries the scale {stored.slope:g} and offset {stored.inter:g}, but "
                "NSD's own files carry none. Was it saved again? Fetch the original."
            )
        positions = np.ravel_multi_index(tuple(coordinates_of(mask).T), mask.shape, order="F")
        betas = np.empty((len(positions), num_trials), dtype=np.int16)
        with opener(path, "rb") as stream:
            stream.seek(stored.offset)
            for trial in range(num_trials):
                volume = stream.read(mask.size * dtype.itemsize)
                if len(volume) < mask.size * dtype.itemsize:
                    raise EOFError(f"it ends in trial {trial} of {num_trials}")
                betas[:, trial] = np.frombuffer(volume, dtype)[positions]
            stream.read(1)  # the checksum at the end of a gzip stream
    except (nibabel.filebasedimages.ImageFileError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
    return betas


def require_percent_signal(betas: Float[np.ndarray, "trials voxels"], where: str) -> None:
    """Refuses betas in a unit other than percent signal change.

    Raises:
        ValueError: says which unit it looks like.
    """
    means = betas.mean(0, dtype=np.float64)
    stds = betas.std(0, ddof=1, dtype=np.float64)
    used = stds > 0
    if not used.any():
        return
    mean, std = float(means[used].mean()), float(np.median(stds[used]))
    if abs(mean) > 20 or std > 60:
        guess = f"These look {PSC_SCALE} times too large: was a file of another release scaled?"
    elif std < 0.05:
        guess = f"These look divided by {PSC_SCALE} already: fetch NSD's own int16 file."
    elif np.abs(means[used]).max() < 5e-3 and np.abs(stds[used] - 1).max() < 5e-3:
        guess = "These look z-scored already: fetch NSD's own int16 file."
    else:
        return
    raise ValueError(f"{where}: mean {mean:.3g}, standard deviation {std:.3g} percent. {guess}")


def _require_layout(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    mask: Bool[np.ndarray, "x y z"],
    num_trials: int,
) -> None:
    """Refuses a file of another grid, another number of trials, or another number format."""
    if len(shape) != 4 or tuple(shape[:3]) != mask.shape:
        raise ValueError(
            f"{path} has grid {tuple(shape[:3])} with {len(shape)} dimensions, but the mask has "
            f"{mask.shape}. Does the mask belong to another subject or space?"
        )
    if shape[3] != num_trials:
        raise ValueError(
            f"{path} holds {shape[3]} trials, but the design has {num_trials} in this session. "
            "Was the file cut, or does it hold another experiment?"
        )
    if dtype.kind != "i" or dtype.itemsize != 2:
        raise ValueError(
            f"{path} holds {dtype}, but NSD's betas are int16 ({PSC_SCALE} x percent signal "
            "change). Was it scaled and saved again? Fetch the original."
        )


def _read_masked(
    stored: h5py.Dataset, coordinates: Int[np.ndarray, "voxels 3"]
) -> Int16[np.ndarray, "voxels trials"]:
    """Picks the way that fits the file's chunks; each gives the same array."""
    num_trials = stored.shape[0]
    betas = np.empty((len(coordinates), num_trials), dtype=np.int16)
    x, y, z = coordinates.astype(np.int64).T
    if stored.chunks and stored.chunks[0] >= num_trials:
        one_voxel = stored.chunks == (num_trials, 1, 1, 1)
        filters = stored.id.get_create_plist().get_nfilters()
        if one_voxel and filters == 0:
            _read_chunks(stored, coordinates, betas)
        else:
            _read_rows(stored, coordinates, betas)
        return betas
    for start in range(0, num_trials, _TRIALS_PER_BLOCK):
        stop = min(start + _TRIALS_PER_BLOCK, num_trials)
        betas[:, start:stop] = stored[start:stop][:, z, y, x].T
    return betas


def _read_chunks(
    stored: h5py.Dataset,
    coordinates: Int[np.ndarray, "voxels 3"],
    betas: Int16[np.ndarray, "voxels trials"],
) -> None:
    """One chunk is one voxel: its bytes, in the order of the file, past HDF5's selection code."""
    x, y, z = coordinates.T
    read_chunk, dtype = stored.id.read_direct_chunk, stored.dtype
    positions = coordinates[:, ::-1].tolist()
    for voxel in np.lexsort((x, y, z)).tolist():
        k, j, i = positions[voxel]
        try:
            betas[voxel] = np.frombuffer(read_chunk((0, k, j, i))[1], dtype)
        except (RuntimeError, OSError, ValueError):
            # A chunk that was never written has no bytes, but HDF5 knows its fill value.
            betas[voxel] = stored[:, k, j, i]


def _read_rows(
    stored: h5py.Dataset,
    coordinates: Int[np.ndarray, "voxels 3"],
    betas: Int16[np.ndarray, "voxels trials"],
) -> None:
    """All voxels of the mask with one (z, y) at once."""
    rows = coordinates[:, [2, 1]]
    for k, j in np.unique(rows, axis=0).tolist():
        voxels = np.flatnonzero((rows[:, 0] == k) & (rows[:, 1] == j))
        x = coordinates[voxels, 0].astype(np.int64)
        row = stored[:, k, j, int(x.min()) : int(x.max()) + 1]
        betas[voxels] = row[:, x - x.min()].T

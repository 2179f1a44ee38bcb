"""Scans in NIfTI files: one 4-D file, or one 3-D file a trial."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BufferedIOBase
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.grid import MaskFile, grid_of
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.voxels import select_in_volume

_BROKEN = (nibabel.filebasedimages.ImageFileError, EOFError, OSError, ValueError, zlib.error)


def read_volumes(path: Path, bundle: VoxelBundle, mask: MaskFile | None) -> Reading:
    """One 4-D NIfTI, streamed volume by volume; a 3-D one is a single trial.

    Raises:
        ValueError: cut off, no NIfTI, neither 3-D nor 4-D, or other voxels.
    """
    image = open_nifti(path)
    if len(image.shape) not in (3, 4):
        raise ValueError(
            f"{path} has {len(image.shape)} dimensions, shape {image.shape}. "
            "Give betas of one volume a trial."
        )
    grid = grid_of(path, image)
    selection = select_in_volume(grid, mask, bundle)
    num_trials = image.shape[3] if len(image.shape) == 4 else 1
    betas, mean = stream_voxels(path, image, selection.positions, num_trials)
    return Reading(
        betas=betas,
        form="4-D NIfTI" if len(image.shape) == 4 else "3-D NIfTI",
        checks=selection.checks,
        dtype=str(image.get_data_dtype()),
        mean_volume=mean,
        header=_header_of(image),
    )


def read_trial_volumes(
    paths: Sequence[Path], bundle: VoxelBundle, mask: MaskFile | None
) -> Reading:
    """One 3-D NIfTI a trial, in the order given; all on one grid.

    Raises:
        ValueError: as `read_volumes`, or a file that is not 3-D.
    """
    parts = []
    for path in paths:
        shape = open_nifti(path).shape
        if len(shape) != 3:
            raise ValueError(
                f"{path} has shape {shape}, but of several files each must be a 3-D volume of one "
                "trial. Give a 4-D file alone."
            )
        parts.append(read_volumes(path, bundle, mask))
    return Reading(
        betas=np.concatenate([part.betas for part in parts]),
        form="3-D NIfTI files",
        checks=parts[0].checks,
        dtype=" and ".join(sorted({part.dtype for part in parts})),
        mean_volume=sum(part.mean_volume for part in parts) / len(parts),
        header=parts[0].header,
    )


def open_nifti(path: Path) -> nibabel.Nifti1Image:
    """The header of a NIfTI file; data stay on disk.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no NIfTI file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Give the path of a scan.")
    try:
        image = nibabel.load(path)
    except _BROKEN as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    if not isinstance(image, nibabel.Nifti1Image):  # NIfTI-2 is one, too
        raise ValueError(f"{path} holds {type(image).__name__}. A NIfTI file is needed.")
    return image


def _header_of(image: nibabel.Nifti1Image) -> dict[str, float | str]:
    """What the header says of time, as far as it says it."""
    zooms = image.header.get_zooms()
    time = {"repetition_time": round(float(zooms[3]), 4)} if len(zooms) > 3 else {}
    return {**time, "time_unit": image.header.get_xyzt_units()[1]}


def stream_voxels(
    path: Path,
    image: nibabel.Nifti1Image,
    positions: Int[np.ndarray, "voxels"],
    num_trials: int,
    volume_read: Callable[[], None] | None = None,
) -> tuple[Float32[np.ndarray, "trials voxels"], Float[np.ndarray, "x y z"]]:
    """Values at the positions, and the mean over all trials of the whole volume.

    Args:
        positions: in the C-ordered volume.
        num_trials: volumes of the file; those of a time series count as trials.
        volume_read: called after each.

    Raises:
        ValueError: cut off.
    """
    shape, places = image.shape[:3], file_positions(positions, image.shape[:3])
    betas = np.empty((num_trials, len(places)), dtype=np.float32)
    total = np.zeros(int(np.prod(shape)))
    for trial, volume in enumerate(stored_volumes(path, image, num_trials)):
        betas[trial] = volume[places]
        total += volume
        if volume_read is not None:
            volume_read()
    slope, offset = scale_of(image)
    if (slope, offset) != (1, 0):
        betas = betas * slope + offset
    mean = (total / num_trials * slope + offset).reshape(shape, order="F")
    return betas, mean


def file_positions(
    positions: Int[np.ndarray, "voxels"], shape: tuple[int, ...]
) -> Int[np.ndarray, "voxels"]:
    """Positions in the flattened (x, y, z) array -> in the file, which walks x fastest."""
    return np.ravel_multi_index(np.unravel_index(positions, shape), shape, order="F")


def scale_of(image: nibabel.Nifti1Image) -> tuple[np.float32, np.float32]:
    """Slope and offset that make values of what is stored."""
    return np.float32(image.dataobj.slope), np.float32(image.dataobj.inter)


def stored_volumes(
    path: Path, image: nibabel.Nifti1Image, num_trials: int
) -> Iterator[Shaped[np.ndarray, "places"]]:
    """Volume by volume as stored and in the order of the file; only one is in memory.

    Raises:
        ValueError: cut off, or damaged.
    """
    stored, count = image.dataobj, int(np.prod(image.shape[:3]))
    dtype = np.dtype(stored.dtype)
    try:
        with _opened(path) as stream:
            stream.seek(stored.offset)
            for trial in range(num_trials):
                content = stream.read(count * dtype.itemsize)
                if len(content) < count * dtype.itemsize:
                    raise EOFError(f"it ends in trial {trial} of {num_trials}, counted from 0")
                yield np.frombuffer(content, dtype)
            while stream.read(1 << 20):  # to the checksum at the end of a gzip stream
                pass
    except _BROKEN as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error


def _opened(path: Path) -> BufferedIOBase:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")

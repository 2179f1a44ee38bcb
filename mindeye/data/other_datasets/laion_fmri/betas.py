"""One session's volumes -> betas (trials, voxels), streamed: unpacked a session takes 12 GB."""

from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Float32

from mindeye.data.roi import coordinates_of
from mindeye.data.scans.nifti import file_positions, open_nifti, scale_of, stored_volumes

AFFINE_TOLERANCE_MM = 1e-2
"""A two-hundredth of a voxel: the published grids were written by several programs."""


def require_session(
    path: Path, shape: tuple[int, ...], affine: Float[np.ndarray, "4 4"], num_rows: int
) -> None:
    """Refuses a session on another grid than the ROI's, or with more or fewer volumes than rows.

    Raises:
        FileNotFoundError: no such file.
        ValueError: names what differs, with both values.
    """
    image = _open(path)
    require_grid(path, image.shape[:3], image.affine, shape, affine)
    volumes = image.shape[3]
    if volumes != num_rows:
        which = "table is too short" if num_rows < volumes else "betas are too few"
        raise ValueError(
            f"{path} holds {volumes} volumes, but its table of trials has {num_rows} rows: the "
            f"{which}. Fetch both files of this session again."
        )


def require_grid(
    path: Path,
    shape: tuple[int, ...],
    affine: Float[np.ndarray, "4 4"],
    wanted_shape: tuple[int, ...],
    wanted_affine: Float[np.ndarray, "4 4"],
) -> None:
    """Refuses another grid.

    All five subjects have volumes of 143 x 143 x 143: the affine tells them apart.

    Raises:
        ValueError: names what differs, with both values.
    """
    if tuple(shape) != tuple(wanted_shape):
        raise ValueError(
            f"{path} has grid {tuple(shape)}, but the ROI has {tuple(wanted_shape)}. Does one of "
            "them belong to another subject or resolution?"
        )
    difference = float(np.abs(np.asarray(affine) - wanted_affine).max())
    if difference > AFFINE_TOLERANCE_MM:
        raise ValueError(
            f"{path}: its affine differs from the ROI's by up to {difference:.3g}. Does one of "
            "them belong to another subject? Nothing is resampled."
        )


def read_betas(path: Path, mask: Bool[np.ndarray, "x y z"]) -> Float32[np.ndarray, "trials voxels"]:
    """Voxels in C order of the (x, y, z) mask.

    A voxel with NaN or infinity in any trial is 0 in the whole session, as NSD stores voxels that
    left the scanned slab: z-scoring finds it constant and leaves it out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, damaged, or another grid.
    """
    image = _open(path)
    if image.shape[:3] != mask.shape:
        raise ValueError(
            f"{path} has grid {image.shape[:3]}, but the ROI has {mask.shape}. Does one of them "
            "belong to another subject or resolution?"
        )
    positions = np.ravel_multi_index(tuple(coordinates_of(mask).T.astype(np.int64)), mask.shape)
    places = file_positions(positions, mask.shape)
    num_trials = image.shape[3]
    betas = np.empty((num_trials, len(places)), dtype=np.float32)
    for trial, volume in enumerate(stored_volumes(path, image, num_trials)):
        betas[trial] = volume[places]
    slope, offset = scale_of(image)
    if (slope, offset) != (1, 0):
        betas *= slope
        betas += offset
    finite = np.ones(len(places), dtype=bool)
    for trial in betas:
        finite &= np.isfinite(trial)
    betas[:, ~finite] = 0
    return betas


def _open(path: Path) -> nibabel.Nifti1Image:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch it, or name the sessions that you have.")
    image = open_nifti(path)
    kind = np.dtype(image.get_data_dtype()).kind
    if len(image.shape) != 4 or kind not in "fiu":
        raise ValueError(
            f"{path} has shape {image.shape} of {image.get_data_dtype()}. Single-trial betas are "
            "numbers on four axes, (x, y, z, trials)."
        )
    return image

"""One session in two files: whether they hold the same betas, by a look that costs little."""

import logging
import zlib
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float32

from mindeye.data.betas import read_hdf5
from mindeye.data.roi import coordinates_of
from mindeye.nsd_layout import PSC_SCALE

COMPARED_TRIALS = 5
"""Of a .nii.gz, which must be unpacked up to where it is read: the first ones, a tenth of a second
at NSD's size."""
COMPARED_VOXELS = 50
"""Of an .hdf5, whose voxels are read one by one: spread over the mask, all of their trials."""
_LOG = logging.getLogger(__name__)


def other_form(path: Path) -> Path:
    """Where the same session stands in NSD's other form."""
    stem = path.name.removesuffix(".nii.gz").removesuffix(".hdf5")
    return path.with_name(f"{stem}.nii.gz" if path.suffix == ".hdf5" else f"{stem}.hdf5")


def require_same_betas(
    path: Path, betas: Float32[np.ndarray, "trials voxels"], mask: Bool[np.ndarray, "x y z"]
) -> None:
    """Compares what was read from `path` with a part of the other form, where that is there.

    `mindeye doctor` compares everything. A file that is not used and cannot be read stops nothing:
    it is named in a warning.

    Raises:
        ValueError: the two files differ.
    """
    other = other_form(path)
    if not other.exists():
        return
    try:
        ours, theirs = _parts(other, betas, mask)
    except (nibabel.filebasedimages.ImageFileError, EOFError, OSError, ValueError, zlib.error) as e:
        _LOG.warning(
            f"{other} cannot be compared with {path.name}, which is read ({e}). "
            "Fetch it again, or delete it, and this is not said."
        )
        return
    differing = int((ours != theirs).sum()) if ours.shape == theirs.shape else ours.size
    if differing:
        raise ValueError(
            f"{path} and {other.name} hold different betas: {differing} of {ours.size} compared "
            "ones. One of them is of another session or version: `mindeye doctor nsd` reads both "
            "whole. Delete the wrong one."
        )


def _parts(
    other: Path, betas: Float32[np.ndarray, "trials voxels"], mask: Bool[np.ndarray, "x y z"]
) -> tuple[np.ndarray, np.ndarray]:
    """What is compared, as stored integers: of the betas that were read, and of the other file."""
    if other.suffix == ".hdf5":
        coordinates = coordinates_of(mask)
        columns = np.unique(np.linspace(0, len(coordinates) - 1, COMPARED_VOXELS).astype(int))
        some = np.zeros_like(mask)
        some[tuple(coordinates[columns].T)] = True
        return _stored(betas[:, columns]), read_hdf5(other, some, len(betas)).T
    stored = nibabel.load(other).dataobj
    if stored.shape != (*mask.shape, len(betas)):
        return _stored(betas[:COMPARED_TRIALS]), np.empty(0)
    first = np.asarray(stored[..., :COMPARED_TRIALS])
    return _stored(betas[:COMPARED_TRIALS]), first[mask].T


def _stored(betas: Float32[np.ndarray, "trials voxels"]) -> np.ndarray:
    return np.rint(betas * np.float32(PSC_SCALE))

"""Maps of voxels as NIfTI volumes on the grid of the scan."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Float

from mindeye.data.bundle import VoxelBundle
from mindeye.files import atomic_path


def map_volume(
    bundle: VoxelBundle, values: Float[np.ndarray, "voxels"]
) -> Float[np.ndarray, "x y z"]:
    """Float32 volume, NaN outside the mask.

    Raises:
        ValueError: these voxels have no coordinates.
    """
    mask = bundle.mask()
    volume = np.full(mask.shape, np.nan, dtype=np.float32)
    volume[mask] = values
    return volume


def save_map(path: Path, bundle: VoxelBundle, values: Float[np.ndarray, "voxels"]) -> None:
    """Writes `map_volume` with the affine of the bundle; whole or not at all.

    NSD's functional affine is a placeholder: such a map fits other files of the same subject and
    space, and no anatomy by affine.
    """
    image = nibabel.Nifti1Image(map_volume(bundle, values), bundle.affine)
    # No time in gzip's header: the same map gives the same bytes.
    content = gzip.compress(image.to_bytes(), mtime=0)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)

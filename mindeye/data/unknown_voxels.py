"""Voxels of which a published file tells no more than their number."""

import numpy as np

from mindeye.data.bundle import VoxelBundle


def bundle_of_unknown_voxels(
    num_voxels: int,
    *,
    subject: int,
    space: str,
    roi: str,
    beta_version: str,
    zscore: str,
    provenance: dict,
) -> VoxelBundle:
    """A bundle that says how many voxels there are, and plainly that no more is known."""
    unknown = np.full(num_voxels, np.nan, dtype=np.float32)
    nothing = np.zeros((0, num_voxels), dtype=np.float32)
    return VoxelBundle(
        subject=subject,
        space=space,
        roi=roi,
        beta_version=beta_version,
        zscore=zscore,
        sessions=(),
        shape=None,
        affine=None,
        coordinates=None,
        mean=nothing,
        std=nothing,
        mean_map=unknown,
        ncsnr=unknown,
        label_of_voxel={},
        label_names={},
        provenance=provenance,
    )

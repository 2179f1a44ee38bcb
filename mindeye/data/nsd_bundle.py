"""What an NSD tree tells of the voxels that are prepared, whatever trials were taken of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from mindeye.data.nsd import NSDTree
from mindeye.data.roi import coordinates_of, parse_roi


def voxels_of_tree(
    tree: NSDTree, settings: Mapping[str, Any], mask: Bool[np.ndarray, "x y z"]
) -> dict[str, Any]:
    """The fields of a `VoxelBundle` that no trial is needed for: place, ROI labels, ncsnr."""
    subject, version = settings["subject"], settings["beta_version"]
    atlases = tree.atlases(subject, mask)
    ncsnr = tree.ncsnr(subject, mask, beta_version=version)
    return {
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        "shape": mask.shape,
        "affine": tree.atlas(subject, parse_roi(settings["roi"])[0]).affine,
        "coordinates": coordinates_of(mask),
        "ncsnr": np.full(int(mask.sum()), np.nan, dtype=np.float32) if ncsnr is None else ncsnr,
        "label_of_voxel": {name: atlas.values[mask] for name, atlas in atlases.items()},
        "label_names": {name: atlas.names for name, atlas in atlases.items()},
    }

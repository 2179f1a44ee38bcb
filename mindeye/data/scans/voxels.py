"""Where the voxels of a model stand in somebody's file: voxel count and identity.

Nothing is padded, cropped, flipped or put in another order to make it fit. A file that holds more
voxels than the model is taken where a mask says which ones they are.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mindeye.data.bundle import VoxelBundle
from mindeye.data.roi import coordinates_of
from mindeye.data.scans.grid import (
    Grid,
    MaskFile,
    check_grid,
    check_mask_values,
    check_same_grid,
)
from mindeye.data.scans.results import CheckResult, failed, passed, require_passed, skipped


class Selection(NamedTuple):
    """The model's voxels in a file: as columns, or as positions in the C-ordered volume."""

    positions: Int[np.ndarray, "voxels"]
    checks: tuple[CheckResult, ...]


def select_in_volume(grid: Grid, mask: MaskFile | None, bundle: VoxelBundle) -> Selection:
    """The model's voxels in a volume, which the mask only confirms.

    A model without coordinates takes the mask's voxels, in C order.

    Raises:
        RefusedScanError: one of the first four checks failed.
    """
    if bundle.coordinates is None and mask is None:
        missing = failed(
            "voxel identity",
            f"The model knows its {bundle.num_voxels} voxels without coordinates, and a volume of "
            f"{math.prod(grid.shape)} voxels does not say which they are.",
            "Pass the mask that they were taken with (--mask).",
        )
        require_passed(grid.name, [missing])
    grids = [check_grid(grid, bundle)]
    if mask is not None:
        grids.append(check_same_grid(mask, grid))
    values = check_mask_values(mask)
    require_passed(grid.name, [*grids, values])
    inside = bundle.mask() if mask is None else mask.inside
    if bundle.coordinates is None:
        checks = (_count(int(inside.sum()), mask, bundle), _unknown_identity(bundle))
        wanted = coordinates_of(inside)
    else:
        checks = _check_positions(inside, mask, bundle)
        wanted = bundle.coordinates
    require_passed(grid.name, checks)
    positions = np.ravel_multi_index(tuple(wanted.T.astype(np.int64)), grid.shape)
    return Selection(positions, (*checks, grids[0], values))


def select_columns(
    name: str, num_columns: int, mask: MaskFile | None, bundle: VoxelBundle
) -> Selection:
    """The model's voxels among the columns of an array; column i is the mask's i-th voxel.

    Raises:
        RefusedScanError: one of the first four checks failed.
    """
    values = check_mask_values(mask)
    require_passed(name, [values])
    if mask is None:
        count = _count(num_columns, None, bundle)
        grid = skipped("grid", "An array has no grid, and no mask was given.")
        require_passed(name, [count])
        return Selection(np.arange(num_columns), (count, _unknown_identity(bundle), grid, values))
    inside = mask.inside
    if int(inside.sum()) != num_columns:
        raise_count = failed(
            "voxel count",
            f"The mask {mask.name} has {int(inside.sum())} voxels, but the array has "
            f"{num_columns} columns.",
            "Pass the mask that the array was made with.",
        )
        require_passed(name, [raise_count])
    if bundle.coordinates is None:
        checks = (_count(num_columns, mask, bundle), _unknown_identity(bundle))
        grid, positions = skipped("grid", "The model has no grid."), np.arange(num_columns)
    else:
        grid = check_grid(mask.grid, bundle)
        require_passed(name, [grid])
        checks = _check_positions(inside, mask, bundle)
        order = np.zeros(inside.shape, dtype=np.int64)
        order[inside] = np.arange(num_columns)
        positions = order[tuple(bundle.coordinates.T.astype(np.int64))]
    require_passed(name, checks)
    return Selection(positions, (*checks, grid, values))


def _count(found: int, mask: MaskFile | None, bundle: VoxelBundle) -> CheckResult:
    if found == bundle.num_voxels:
        return passed("voxel count", f"{found} voxels, as in the model.")
    what = "this scan" if mask is None else f"the mask {mask.name}"
    return failed(
        "voxel count",
        f"Subject {bundle.subject} has {bundle.num_voxels} voxels in this model but {found} in "
        f"{what}.",
        "Was it masked with another ROI? A larger array needs its own mask (--mask).",
    )


def _unknown_identity(bundle: VoxelBundle) -> CheckResult:
    if bundle.coordinates is None:
        return skipped("voxel identity", "The model knows its voxels without coordinates.")
    return skipped(
        "voxel identity",
        "No mask was given: only the mean map can tell whether these are the model's voxels in "
        "its order.",
        "Pass --mask to be sure.",
    )


def _check_positions(
    inside: Bool[np.ndarray, "x y z"], mask: MaskFile | None, bundle: VoxelBundle
) -> tuple[CheckResult, CheckResult]:
    """Voxel count and identity of a mask on the model's grid."""
    name, found, wanted = "voxel identity", int(inside.sum()), bundle.mask()
    missing = int((wanted & ~inside).sum())
    more = found > bundle.num_voxels and not missing
    count = _count(bundle.num_voxels if more else found, mask, bundle)
    if found < bundle.num_voxels:
        return count, skipped(name, "There are too few voxels.")
    if not missing:
        rest = f" The other {found - bundle.num_voxels} of the mask are left out." if more else ""
        return count, passed(name, f"All voxels are the model's ({bundle.voxel_hash[:12]}).{rest}")
    count = passed("voxel count", f"{found} voxels; the model has {bundle.num_voxels}.")
    for axis, letter in enumerate("xyz"):
        if np.array_equal(np.flip(inside, axis), wanted):
            seen = f"The mask {mask.name} is the model's with its {letter} axis flipped."
            return count, failed(name, seen, "Was the scan saved in another orientation?")
    return count, failed(
        name,
        f"{missing} of the model's {bundle.num_voxels} voxels are outside of the mask {mask.name}.",
        f"Is it of another subject, or of another ROI than `{bundle.roi}`?",
    )

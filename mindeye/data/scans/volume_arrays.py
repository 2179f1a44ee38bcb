"""Arrays of volumes, (x, y, z, trials) or MATLAB's reverse of it, which tell no affine."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.grid import Grid, MaskFile
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.results import failed, passed, require_passed, skipped
from mindeye.data.scans.voxels import Selection, select_in_volume


def read_volume_array(
    name: str, stored: Any, bundle: VoxelBundle, mask: MaskFile | None, *, reverse: bool, form: str
) -> Reading:
    """The model's voxels of an array or hdf5 data set, slab by slab.

    Args:
        stored: (x, y, z, trials), or with `reverse` (trials, z, y, x).

    Raises:
        RefusedScanError: other voxels than the model's.
    """
    shape = tuple(int(length) for length in (stored.shape[::-1] if reverse else stored.shape))
    selection = select_in_array(name, shape[:3], bundle, mask)
    where = np.stack(np.unravel_index(selection.positions, shape[:3]), axis=1)
    betas = np.empty((shape[3], len(where)), dtype=np.float32)
    mean = np.empty(shape[:3])
    if reverse:
        _read_trials(stored, where, betas, mean)
    else:
        _read_slabs(stored, where, betas, mean)
    return Reading(
        betas=betas, form=form, checks=selection.checks, dtype=str(stored.dtype), mean_volume=mean
    )


def select_in_array(
    name: str, shape: tuple[int, int, int], bundle: VoxelBundle, mask: MaskFile | None
) -> Selection:
    """An array lies where its mask does; without one only its shape can be compared."""
    if mask is not None:
        return select_in_volume(replace(mask.grid, name=name, shape=shape), mask, bundle)
    if bundle.coordinates is None:
        nowhere = Grid(name=name, shape=shape, affine=np.eye(4), placed=False)
        return select_in_volume(nowhere, None, bundle)
    if shape != bundle.shape:
        other = failed(
            "grid",
            f"{name} has grid {shape}, but the model has {bundle.shape}.",
            "Does it belong to another subject or space?",
        )
        require_passed(name, [other])
    positions = np.ravel_multi_index(tuple(bundle.coordinates.T.astype(np.int64)), shape)
    checks = (
        passed("voxel count", f"The model's {bundle.num_voxels} voxels of a whole volume."),
        skipped(
            "voxel identity",
            "An array has no affine: only the mean map can tell whether it lies as the model's "
            "volumes do.",
            "Pass the --mask that it was made with to be sure.",
        ),
        skipped("grid", f"The shape {shape} is the model's; an array has no affine."),
        skipped("mask values", "No mask was given."),
    )
    return Selection(positions, checks)


def _read_slabs(
    stored: Any,
    where: Int[np.ndarray, "voxels 3"],
    betas: Float32[np.ndarray, "trials voxels"],
    mean: Float[np.ndarray, "x y z"],
) -> None:
    for x in range(len(mean)):
        slab = np.asarray(stored[x])
        mean[x] = slab.mean(-1, dtype=np.float64)
        here = np.flatnonzero(where[:, 0] == x)
        betas[:, here] = slab[where[here, 1], where[here, 2]].T


def _read_trials(
    stored: Any,
    where: Int[np.ndarray, "voxels 3"],
    betas: Float32[np.ndarray, "trials voxels"],
    mean: Float[np.ndarray, "x y z"],
) -> None:
    x, y, z = where.T
    total = np.zeros(mean.shape[::-1])
    for trial, volume in enumerate(_trials_of(stored)):
        betas[trial] = volume[z, y, x]
        total += volume
    mean[...] = total.T / max(len(betas), 1)


def _trials_of(stored: Any) -> Iterator[np.ndarray]:
    for trial in range(stored.shape[0]):
        yield np.asarray(stored[trial])

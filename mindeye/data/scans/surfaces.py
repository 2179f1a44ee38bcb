"""Scans on the cortical surface: CIFTI, GIFTI and MGH; left before right hemisphere."""

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
from jaxtyping import Float32, Int, Shaped

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.reading import Reading
from mindeye.data.scans.results import CheckResult, failed, passed, require_passed, skipped

_BROKEN = (
    nibabel.filebasedimages.ImageFileError,
    EOFError,
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)
_CORTEX = ("CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT")
_SIDES = {"L": 0, "LH": 0, "LEFT": 0, "R": 1, "RH": 1, "RIGHT": 1}
_SIDE_IN_NAME = re.compile(r"(?:^|[._-])(lh|rh|L|R|left|right)(?=[._-])")


def read_cifti(path: Path, bundle: VoxelBundle, mask: Path | None) -> Reading:
    """A dscalar or dtseries file with one row a trial.

    Raises:
        ValueError: damaged, no CIFTI, or a hemisphere is missing.
        RefusedScanError: other vertices than the model's.
    """
    values, structures, dtype = _cifti(path)
    cortex = [name for name in structures if name in _CORTEX]
    if cortex != list(_CORTEX):
        raise ValueError(
            f"{path} has {' and '.join(cortex) or 'no cortex'}. Both hemispheres are needed, left "
            "before right."
        )
    inside = None
    if mask is not None:
        inside = _cifti(mask)[0].squeeze(0) if mask.name.endswith(".nii") else _mask_array(mask)
    return _reading([path], values, inside, bundle, "CIFTI", dtype)


def read_hemispheres(paths: Sequence[Path], bundle: VoxelBundle, mask: Path | None) -> Reading:
    """A GIFTI or MGH file of each hemisphere, in any order: the names or headers tell the side.

    Raises:
        ValueError: damaged, not one file a hemisphere, or unequal numbers of trials.
        RefusedScanError: other vertices than the model's.
    """
    read = _gifti if paths[0].suffix == ".gii" else _mgh
    values = {}
    for path in paths:
        trials, told = read(path)
        values[_side_of(path, told)] = trials
    if len(paths) != 2 or values.keys() != {0, 1}:
        raise ValueError(
            f"{len(paths)} surface files were given, the first {paths[0]}, and not one of each "
            "hemisphere. Give the left and the right file together."
        )
    left, right = values[0], values[1]
    if len(left) != len(right):
        raise ValueError(
            f"{paths[0].parent}: the left hemisphere has {len(left)} trials, the right {len(right)}"
            ". Are these files of one scan?"
        )
    inside = None if mask is None else _mask_array(mask)
    form = "GIFTI" if paths[0].suffix == ".gii" else "MGH"
    both = np.concatenate([left, right], axis=1)
    return _reading(paths, both, inside, bundle, form, str(left.dtype))


def _reading(
    paths: Sequence[Path],
    values: Shaped[np.ndarray, "trials vertices"],
    inside: Shaped[np.ndarray, "vertices_of_mask"] | None,
    bundle: VoxelBundle,
    form: str,
    dtype: str,
) -> Reading:
    positions, checks = _select(paths[0].name, values.shape[1], inside, bundle)
    betas: Float32[np.ndarray, "trials voxels"] = values[:, positions].astype(np.float32)
    header = {"hemispheres": "left and right"}
    return Reading(betas=betas, form=form, checks=checks, dtype=dtype, header=header)


def _select(
    name: str,
    num_vertices: int,
    mask: Shaped[np.ndarray, "vertices_of_mask"] | None,
    bundle: VoxelBundle,
) -> tuple[Int[np.ndarray, "voxels"], tuple[CheckResult, ...]]:
    """The model's vertices, which have no coordinates: all, or those of the mask."""
    if bundle.coordinates is not None:
        other = failed(
            "grid",
            f"{name} lies on a surface, but the model's voxels lie in the volume {bundle.space}.",
            "Give the scan in the model's space.",
        )
        require_passed(name, [other])
    values = skipped("mask values", "No mask was given.")
    positions = np.arange(num_vertices)
    if mask is not None:
        if len(mask) != num_vertices:
            other = failed(
                "mask values",
                f"The mask has {len(mask)} vertices, but the scan has {num_vertices}.",
                "Give a mask of the same surface, left before right.",
            )
            require_passed(name, [other])
        positions = np.flatnonzero(mask > 0)
        values = passed("mask values", f"{len(positions)} of {num_vertices} vertices.")
    if len(positions) != bundle.num_voxels:
        count = failed(
            "voxel count",
            f"Subject {bundle.subject} has {bundle.num_voxels} voxels in this model but "
            f"{len(positions)} in this scan.",
            "Is it another surface, or without the mask of the model (--mask)?",
        )
        require_passed(name, [count])
    return positions, (
        passed("voxel count", f"{len(positions)} vertices, as in the model."),
        skipped("voxel identity", "The model knows its vertices without coordinates."),
        skipped("grid", "A surface has no grid."),
        values,
    )


def _cifti(path: Path) -> tuple[Shaped[np.ndarray, "trials vertices"], list[str], str]:
    """Rows, the brain structures in their order, and the number format."""
    try:
        image = nibabel.load(path)
        if not isinstance(image, nibabel.Cifti2Image):
            raise ValueError(f"it holds {type(image).__name__}, no CIFTI")
        axis = image.header.get_axis(image.ndim - 1)
        if image.ndim != 2 or not isinstance(axis, nibabel.cifti2.BrainModelAxis):
            raise ValueError(f"shape {image.shape} is not one row a trial")
        values = np.asarray(image.dataobj)
    except _BROKEN as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    return values, [name for name, *_ in axis.iter_structures()], str(image.get_data_dtype())


def _gifti(path: Path) -> tuple[Shaped[np.ndarray, "trials vertices"], str | None]:
    try:
        image = nibabel.load(path)
        values = np.stack([one.data for one in image.darrays])
    except (*_BROKEN, ExpatError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    if values.ndim != 2:
        raise ValueError(
            f"{path} has arrays of shape {values.shape[1:]}. One map a trial is needed."
        )
    told = image.meta.get("AnatomicalStructurePrimary") or image.darrays[0].meta.get(
        "AnatomicalStructurePrimary"
    )
    return values, (told or "").removeprefix("Cortex") or None


def _mgh(path: Path) -> tuple[Shaped[np.ndarray, "trials vertices"], str | None]:
    """(vertices, 1, 1, trials); MGH headers do not tell the side."""
    try:
        stored = nibabel.load(path).dataobj
        shape = (*stored.shape, 1)[:4]
        if shape[1:3] != (1, 1):
            raise ValueError(f"shape {stored.shape} is that of a volume; save it as NIfTI")
        values = np.asarray(stored).reshape(shape[0], shape[3]).T
    except _BROKEN as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error
    return values, None


def _side_of(path: Path, told: str | None) -> int:
    """0 for left, 1 for right.

    Raises:
        ValueError: neither header nor name say it.
    """
    found = _SIDE_IN_NAME.search(path.name)
    side = (told or (found[1] if found else "")).upper()
    if side not in _SIDES:
        raise ValueError(
            f"{path} does not tell its hemisphere. Name it with `lh.` or `rh.`, or `hemi-L` or "
            "`hemi-R`."
        )
    return _SIDES[side]


def _mask_array(path: Path) -> Shaped[np.ndarray, "vertices_of_mask"]:
    """A mask of all vertices, left before right, from an .npy file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or not one value a vertex.
    """
    if not path.exists():
        raise FileNotFoundError(f"The mask {path} is missing. Give the path of an .npy file.")
    try:
        mask = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"The mask {path} cannot be read ({error}). For surfaces give an .npy file with one "
            "value a vertex, left before right."
        ) from error
    if mask.ndim != 1:
        raise ValueError(f"The mask {path} has shape {mask.shape}. Give one value a vertex.")
    return mask

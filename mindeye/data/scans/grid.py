"""The volume that a scan or a mask lies in, and whether it is the model's."""

import re
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Shaped

from mindeye.data.bundle import VoxelBundle
from mindeye.data.roi import read_volume
from mindeye.data.scans.results import CheckResult, failed, passed, skipped

_AFFINE_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The volume that a file lies in."""

    name: str
    """The file's."""
    shape: tuple[int, int, int]
    affine: Float[np.ndarray, "4 4"]
    placed: bool
    """Whether the header says where the volume lies: qform or sform is set."""


@dataclass(frozen=True, kw_only=True)
class MaskFile:
    """A mask as it is stored."""

    name: str
    values: Shaped[np.ndarray, "x y z"]
    grid: Grid

    @property
    def inside(self) -> Bool[np.ndarray, "x y z"]:
        """Above 0: NSD's ROI volumes are -1 outside of the cortex."""
        with np.errstate(invalid="ignore"):
            return self.values > 0


def grid_of(path: Path, image: nibabel.Nifti1Image) -> Grid:
    """The grid that a NIfTI header tells."""
    header = image.header
    placed = bool(header["qform_code"] > 0 or header["sform_code"] > 0)
    shape = tuple(int(length) for length in image.shape[:3])
    affine = np.asarray(image.affine, dtype=np.float64)
    return Grid(name=path.name, shape=shape, affine=affine, placed=placed)


def read_mask(path: Path) -> MaskFile:
    """A 3-D NIfTI.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, or not 3-D.
    """
    if not path.exists():
        raise FileNotFoundError(f"The mask {path} is missing. Give the path of a 3-D NIfTI file.")
    values, _ = read_volume(path)
    return MaskFile(name=path.name, values=values, grid=grid_of(path, nibabel.load(path)))


def check_grid(grid: Grid, bundle: VoxelBundle) -> CheckResult:
    """Shape, axes, affine and, where the file's name tells it, space: as the model's.

    Nothing is resampled.
    """
    if bundle.shape is None:
        return skipped("grid", "The model has no grid.")
    if grid.shape != bundle.shape:
        return failed(
            "grid",
            f"{grid.name} has grid {grid.shape}, but the model has {bundle.shape}.",
            "Does it belong to another subject or space?",
        )
    if not grid.placed:
        return failed(
            "grid",
            f"The header of {grid.name} does not say where its voxels lie (qform and sform are 0).",
            "Nothing is resampled: save it again with the header of the functional file.",
        )
    told = re.search(r"(?:^|_)space-([A-Za-z0-9]+)", grid.name)
    if told and told[1].lower() != bundle.space.removeprefix("space-").lower():
        return failed(
            "grid",
            f"{grid.name} says space {told[1]}, but the model was trained in {bundle.space}.",
            "Take the file of the model's space; spaces of similar names are not the same.",
        )
    axes, wanted = ("".join(nibabel.aff2axcodes(one)) for one in (grid.affine, bundle.affine))
    if axes != wanted:
        return failed(
            "grid",
            f"{grid.name} has axes {axes}, but the model has {wanted}: an axis is flipped.",
            f"Save it with axes {wanted}, for example with nibabel's `as_reoriented`.",
        )
    if not np.allclose(grid.affine, bundle.affine, atol=_AFFINE_TOLERANCE):
        return failed(
            "grid",
            f"The affine of {grid.name} differs from the model's by up to "
            f"{np.abs(grid.affine - bundle.affine).max():.3g}.",
            "Was the scan resampled, or does it belong to another subject?",
        )
    return passed("grid", f"{grid.shape}, axes {axes}, the model's affine.")


def check_mask_values(mask: MaskFile | None) -> CheckResult:
    """A mask marks voxels with one number above 0; labels and probabilities are refused."""
    name = "mask values"
    if mask is None:
        return skipped(name, "No mask was given.")
    values = mask.values
    if not np.isfinite(values).all() or not np.array_equal(values, np.rint(values)):
        return failed(
            name,
            f"The mask {mask.name} holds values that are no whole numbers.",
            "Is it a map or a probability? Save a mask of 0 and 1.",
        )
    labels = np.unique(values[values > 0])
    if len(labels) == 0:
        return failed(
            name, f"The mask {mask.name} is empty: no value is above 0.", "Give another mask."
        )
    if len(labels) > 1:
        return failed(
            name,
            f"The mask {mask.name} holds {len(labels)} labels, {labels[0]:g} to {labels[-1]:g}.",
            "Save a mask of 0 and 1 with the voxels of the wanted labels.",
        )
    below = int((values < 0).sum())
    aside = (
        f" {below} voxels are below 0 and are left out, as in NSD's ROI volumes." if below else ""
    )
    return passed(name, f"{int(mask.inside.sum())} voxels at {labels[0]:g}.{aside}")


def check_same_grid(mask: MaskFile, grid: Grid) -> CheckResult:
    found = mask.grid
    if found.shape != grid.shape:
        return failed(
            "grid",
            f"The mask {mask.name} has grid {found.shape}, but the volume has {grid.shape}.",
            "Does the mask belong to another subject or space?",
        )
    if not np.allclose(found.affine, grid.affine, atol=_AFFINE_TOLERANCE):
        return failed(
            "grid",
            f"The affines of the mask {mask.name} and the volume differ by up to "
            f"{np.abs(found.affine - grid.affine).max():.3g}.",
            "Is an axis flipped, or does the mask belong to another space?",
        )
    return passed("grid", f"The mask {mask.name} lies on the volume's grid.")

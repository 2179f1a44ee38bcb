"""The published ROI masks on the betas' grid, by label or by set."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16

from mindeye import laion_layout as layout
from mindeye.data.other_datasets.laion_fmri.betas import require_grid
from mindeye.data.roi import parse_roi, read_volume


class Region(NamedTuple):
    """Some voxels of one subject's grid."""

    mask: Bool[np.ndarray, "x y z"]
    affine: Float[np.ndarray, "4 4"]
    paths: tuple[Path, ...]
    """The masks that it was joined from."""


def find_regions(root: Path, subject: int) -> dict[str, Path]:
    """`SET:LABEL` -> mask, in the order of the names; labels are written without hyphens.

    Raises:
        FileNotFoundError: no masks.
    """
    folder = root / layout.roi_folder(subject)
    found = {}
    for path in sorted(folder.glob("*/*.nii.gz")):
        label = layout.label_of_roi(path.name, subject)
        if label is not None:
            found[f"{path.parent.name}:{label}"] = path
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no mask such as SET/{layout.roi_name(subject, 'V1v')}. Fetch "
            "derivatives/rois of this subject, on the grid `res-1pt8`."
        )
    return found


def read_region(root: Path, subject: int, roi: str) -> Region:
    """The union of some masks: `laiongeneral`, `V1v+V1d`, `retinotopy:V1v+V1d` or `retinotopy`.

    Raises:
        FileNotFoundError: no masks.
        LookupError: no such label or set, or a label of several sets.
        ValueError: a damaged mask, masks on several grids, or no voxel.
    """
    found = find_regions(root, subject)
    paths = tuple(found[name] for name in _names_of(roi, found))
    first, affine = read_volume(paths[0])
    mask = first > 0
    for path in paths[1:]:
        values, other = read_volume(path)
        require_grid(path, values.shape, other, mask.shape, affine)
        mask |= values > 0
    if not mask.any():
        raise ValueError(
            f"`{roi}` has no voxel in {layout.subject_name(subject)} ({paths[0].name}). Not every "
            "subject has every region: choose another one."
        )
    return Region(mask, affine, paths)


def labels_of_voxels(
    root: Path, subject: int, region: Region
) -> tuple[dict[str, Int16[np.ndarray, "voxels"]], dict[str, dict[int, str]]]:
    """Every mask with a voxel in the region, as an atlas of one label: masks may overlap.

    Atlases are named by the label, or `SET:LABEL` where several sets have it.

    Raises:
        ValueError: a damaged mask, or one on another grid.
    """
    found = find_regions(root, subject)
    bare = [name.partition(":")[2] for name in found]
    values_of, names_of = {}, {}
    for (name, path), label in zip(found.items(), bare, strict=True):
        values, affine = read_volume(path)
        require_grid(path, values.shape, affine, region.mask.shape, region.affine)
        inside = (values > 0)[region.mask]
        if inside.any():
            atlas = label if bare.count(label) == 1 else name
            values_of[atlas] = inside.astype(np.int16)
            names_of[atlas] = {1: label}
    return values_of, names_of


def read_ncsnr(root: Path, subject: int, region: Region) -> Float32[np.ndarray, "voxels"] | None:
    """Noise-ceiling signal-to-noise ratio, from the published noise ceiling of four repeats.

    NC = 100 ncsnr^2 / (ncsnr^2 + 1/n), as in NSD. The map was computed from all images, shared
    ones included.

    Raises:
        ValueError: another grid, or values that are no percentages.
    """
    path = root / layout.noise_ceiling_path(subject)
    if not path.exists():
        return None
    values, affine = read_volume(path)
    require_grid(path, values.shape, affine, region.mask.shape, region.affine)
    ceiling = values[region.mask].astype(np.float64)
    known = np.isfinite(ceiling)
    if known.any() and not (ceiling[known].min() >= 0 and 1 < ceiling[known].max() < 100):
        raise ValueError(
            f"{path} runs from {ceiling[known].min():.3g} to {ceiling[known].max():.3g} in this "
            "ROI, but a noise ceiling is a percentage from 0 to 100. Is it the published file?"
        )
    squared = ceiling / (100 - ceiling) / layout.NOISE_CEILING_REPEATS
    return np.sqrt(squared).astype(np.float32)


def _names_of(roi: str, found: Mapping[str, Path]) -> list[str]:
    """`SET:LABEL` of all that an expression asks for."""
    chosen, labels = parse_roi(roi)
    owners_of: dict[str, list[str]] = {}
    for name in found:
        owners_of.setdefault(name.partition(":")[2], []).append(name)
    wanted = [label.replace("-", "") for label in labels or chosen.split("+")]
    sets = sorted({name.partition(":")[0] for name in found})
    if chosen in sets and (labels or wanted[0] not in owners_of):
        inside = [name for name in found if name.partition(":")[0] == chosen]
        owners_of = {name.partition(":")[2]: [name] for name in inside}
        wanted = wanted if labels else list(owners_of)
    elif labels:
        raise LookupError(f"There is no set of ROIs `{chosen}`. Pick one of {', '.join(sets)}.")
    for label in wanted:
        if label not in owners_of:
            close = difflib.get_close_matches(label, owners_of, n=1)
            guess = f" Did you mean `{close[0]}`?" if close else ""
            raise LookupError(
                f"There is no ROI `{label}`; there are {', '.join(owners_of)}, and the sets "
                f"{', '.join(sets)}.{guess}"
            )
        if len(owners_of[label]) > 1:
            raise LookupError(
                f"Several sets have an ROI `{label}`. Say which: {' or '.join(owners_of[label])}."
            )
    return [owners_of[label][0] for label in wanted]

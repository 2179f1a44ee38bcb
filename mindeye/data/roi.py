"""Regions of interest: which voxels, in which order, under which names."""

import difflib
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

VISUAL_AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "V1": ("prf-visualrois", ("V1", "V1v", "V1d")),
    "V2": ("prf-visualrois", ("V2", "V2v", "V2d")),
    "V3": ("prf-visualrois", ("V3", "V3v", "V3d")),
    "hV4": ("prf-visualrois", ("hV4",)),
    "ventral": ("streams", ("ventral",)),
    "lateral": ("streams", ("lateral",)),
    "parietal": ("streams", ("parietal",)),
}
"""The areas that reports speak of -> (atlas, its labels). Areas may overlap.

NSD tells ventral and dorsal parts apart, other data sets do not.
"""
AREAS_IN_MASKS: dict[str, tuple[str, ...]] = {
    "V1": ("V1v", "V1d"),
    "V2": ("V2v", "V2d"),
    "V3": ("V3v", "V3d"),
    "hV4": ("hV4",),
}
"""The same where each label is a mask of its own; their higher visual areas are other ones."""

BROKEN = (EOFError, OSError, ValueError, zlib.error)


class Atlas(NamedTuple):
    """One ROI volume: values above 0 are labels, 0 is cortex without label, -1 is elsewhere."""

    name: str
    values: Int[np.ndarray, "x y z"]
    names: dict[int, str]
    affine: Float[np.ndarray, "4 4"]


def parse_roi(roi: str) -> tuple[str, tuple[str, ...]]:
    """`prf-visualrois:V1v+V1d` -> (`prf-visualrois`, (`V1v`, `V1d`)); no labels means all of them.

    Raises:
        ValueError: an empty atlas or label.
    """
    atlas, colon, rest = roi.partition(":")
    # A label may itself end in the sign that joins labels: ecc4+ of prf-eccrois.
    labels = tuple(re.split(r"\+(?!\+|$)", rest)) if colon else ()
    if not atlas or not all(labels):
        raise ValueError(
            f"`{roi}` names no ROI. Write an atlas, or an atlas with labels, such as "
            "`nsdgeneral` or `prf-visualrois:V1v+V1d`."
        )
    return atlas, labels


def read_volume(path: Path) -> tuple[Shaped[np.ndarray, "x y z"], Float[np.ndarray, "4 4"]]:
    """One 3-D NIfTI as it is stored, and its affine.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, no NIfTI, or not 3-D.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, *BROKEN) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
    if values.ndim != 3:
        raise ValueError(
            f"{path} has {values.ndim} dimensions, shape {values.shape}. A 3-D volume is needed."
        )
    return values, np.asarray(image.affine, dtype=np.float64)


def read_atlas(path: Path, name: str, names: Mapping[int, str]) -> Atlas:
    """An ROI volume with whole-numbered labels; labels without a name are called by their number.

    Raises:
        ValueError: values that are no labels.
    """
    values, affine = read_volume(path)
    rounded = np.rint(np.nan_to_num(values, nan=0.5))
    if not np.array_equal(rounded, values):
        raise ValueError(
            f"{path} holds values that are no whole numbers. Is it a map instead of an ROI volume?"
        )
    labels = rounded.astype(np.int16)
    found = [int(label) for label in np.unique(labels) if label > 0]
    unnamed = {label: str(label) for label in found if label not in names}
    return Atlas(name, labels, {**names, **unnamed}, affine)


def read_label_names(ctab: Path) -> dict[int, str]:
    """Label -> name from a FreeSurfer colour table; blank lines and columns after the name go."""
    lines = (line.split() for line in ctab.read_text(encoding="utf-8").splitlines())
    return {int(line[0]): line[1] for line in lines if len(line) >= 2 and int(line[0]) > 0}


def labels_of_names(atlas_name: str, names: Mapping[int, str], wanted: Iterable[str]) -> list[int]:
    """The labels of some names.

    Raises:
        LookupError: a name that the atlas does not have, with the likely one.
    """
    label_of = {name: label for label, name in names.items()}
    for name in wanted:
        if name not in label_of:
            close = difflib.get_close_matches(name, label_of, n=1)
            guess = f" Did you mean `{close[0]}`?" if close else ""
            raise LookupError(
                f"Atlas `{atlas_name}` has no label `{name}`; it has {', '.join(label_of)}.{guess}"
            )
    return [label_of[name] for name in wanted]


def roi_mask(atlas: Atlas, wanted: Iterable[str] = ()) -> Bool[np.ndarray, "x y z"]:
    """Voxels with one of the wanted labels, or with any label; never those at 0 or -1.

    Raises:
        LookupError: a name that the atlas does not have.
    """
    labels = labels_of_names(atlas.name, atlas.names, tuple(wanted))
    return np.isin(atlas.values, labels) if labels else atlas.values > 0


def coordinates_of(mask: Bool[np.ndarray, "x y z"]) -> Int[np.ndarray, "voxels 3"]:
    """The canonical order of voxels: C order over (x, y, z), x slowest."""
    return np.argwhere(mask).astype(np.int16)


def areas_of_voxels(
    label_of_voxel: Mapping[str, Int[np.ndarray, "voxels"]],
    names: Mapping[str, Mapping[int, str]],
) -> dict[str, Bool[np.ndarray, "voxels"]]:
    """Visual area -> its voxels; areas without any voxel here are left out."""
    areas = {}
    for area, (atlas, wanted) in VISUAL_AREAS.items():
        inside = np.zeros((), dtype=bool)
        if atlas in label_of_voxel:
            labels = [label for label, name in names[atlas].items() if name in wanted]
            inside = np.isin(label_of_voxel[atlas], labels)
        for mask in AREAS_IN_MASKS.get(area, ()):
            inside = inside | (label_of_voxel[mask] > 0 if mask in label_of_voxel else False)
        if inside.any():
            areas[area] = inside
    return areas

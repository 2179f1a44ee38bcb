"""Finds atlases and maps in an NSD tree, in volumes and on surfaces."""

import difflib
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from mindeye import nsd_layout as layout
from mindeye.data.nsd_spaces import (
    SURFACE_SPACES,
    TEMPLATE_SPACE,
    VOLUME_SPACES,
    Session,
    require_space,
    surface_label_paths,
    surface_ncsnr_paths,
    template_valid_path,
)
from mindeye.data.roi import Atlas, parse_roi, read_atlas, read_label_names, read_volume, roi_mask
from mindeye.data.surfaces import SurfaceAtlas, read_surface_atlas, read_surface_map

VALID = "valid"
"""In MNI instead of a region: the voxels that have data all through the session."""


def volume_atlas(root: Path, subject: int, name: str, space: str) -> Atlas:
    """One ROI volume with its names: from the tree's colour table, else from the manual.

    Raises:
        FileNotFoundError: no such atlas in this tree; says which ones are there.
        LookupError: the space has no volumes.
    """
    _require_kind(space, VOLUME_SPACES, "volumes")
    path = root / layout.roi_path(subject, name, space=space)
    if not path.exists():
        files = sorted(file.name for file in path.parent.glob("*.nii.gz"))
        both = [file for file in files if not file.startswith(("lh.", "rh."))]
        there = [file.removesuffix(".nii.gz") for file in both]
        close = difflib.get_close_matches(name, there, n=1)
        guess = f" Did you mean `{close[0]}`?" if close else ""
        if space == TEMPLATE_SPACE:
            guess += f" NSD has no regions in {space}: map them there, or take roi `{VALID}`."
        raise FileNotFoundError(
            f"{path} is missing; this tree has {', '.join(there) or 'no atlas'}.{guess}"
        )
    return read_atlas(path, name, _label_names(root, subject, name))


def volume_atlases(
    root: Path, subject: int, mask: Bool[np.ndarray, "x y z"], space: str
) -> dict[str, Atlas]:
    """Every atlas of NSD's manual that this tree has, on the grid of the mask.

    Raises:
        ValueError: another grid.
    """
    names = [
        name
        for name in layout.ROI_LABELS
        if (root / layout.roi_path(subject, name, space=space)).exists()
    ]
    atlases = {name: volume_atlas(root, subject, name, space) for name in names}
    for name, atlas in atlases.items():
        if atlas.values.shape != mask.shape:
            raise ValueError(
                f"Atlas `{name}` has grid {atlas.values.shape}, but the mask has {mask.shape}. "
                "Does it belong to another subject or space?"
            )
    return atlases


def surface_atlas(root: Path, subject: int, name: str, space: str) -> SurfaceAtlas:
    """One atlas on the surface that `space` names.

    Raises:
        FileNotFoundError: as `volume_atlas`.
        LookupError: the space has no surfaces.
    """
    _require_kind(space, SURFACE_SPACES, "surfaces")
    left, right = (root / path for path in surface_label_paths(subject, name, space))
    own = None if space == "fsaverage" else subject
    return read_surface_atlas((left, right), name, _label_names(root, own, name))


def volume_mask(
    root: Path, subject: int, roi: str, space: str = layout.SPACE
) -> Bool[np.ndarray, "x y z"]:
    """An atlas, or some of its labels: `nsdgeneral`, `prf-visualrois:V1v+V1d`.

    Raises:
        ValueError: no voxel of this subject.
        LookupError: the atlas has no such label.
    """
    name, labels = parse_roi(roi)
    mask = roi_mask(volume_atlas(root, subject, name, space), labels)
    _require_members(int(mask.sum()), roi, subject, "voxel")
    return mask


def session_mask(root: Path, session: Session, roi: str, space: str) -> Bool[np.ndarray, "x y z"]:
    """As `volume_mask`; in MNI also `valid`, which differs from session to session.

    Raises:
        FileNotFoundError: NSD's map of valid voxels is missing.
        LookupError: another experiment has no such map.
    """
    if (space, roi) != (TEMPLATE_SPACE, VALID):
        return volume_mask(root, session.subject, roi, space)
    if session.experiment != "nsd":
        raise LookupError(
            f"NSD's manual names no map of valid voxels for {session.experiment} in {space}. "
            "Map a region there, and take that."
        )
    path = root / template_valid_path(session)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    mask = read_volume(path)[0] > 0
    _require_members(int(mask.sum()), roi, session.subject, "voxel")
    return mask


def surface_masks(
    root: Path, subject: int, roi: str, space: str
) -> tuple[Bool[np.ndarray, "left"], Bool[np.ndarray, "right"]]:
    """The same on both hemispheres.

    Raises:
        ValueError: no vertex of this subject.
        LookupError: the atlas has no such label.
    """
    name, labels = parse_roi(roi)
    left, right = surface_atlas(root, subject, name, space).masks(labels)
    _require_members(int(left.sum() + right.sum()), roi, subject, "vertex")
    return left, right


def volume_ncsnr(
    root: Path, subject: int, mask: Bool[np.ndarray, "x y z"], beta_version: str, space: str
) -> Float32[np.ndarray, "voxels"] | None:
    """Noise-ceiling signal-to-noise ratio of the masked voxels, where the tree has it.

    Raises:
        ValueError: damaged, or another grid.
    """
    return _masked_map(root / layout.ncsnr_path(subject, beta_version, space), mask)


def volume_mean_beta(
    root: Path, subject: int, mask: Bool[np.ndarray, "x y z"], beta_version: str
) -> Float32[np.ndarray, "voxels"] | None:
    """Mean over all trials in percent signal change (the file holds `PSC_SCALE` times that).

    Raises:
        ValueError: damaged, or another grid.
    """
    values = _masked_map(root / layout.mean_beta_path(subject, beta_version), mask)
    return None if values is None else values / np.float32(layout.PSC_SCALE)


def _masked_map(
    path: Path, mask: Bool[np.ndarray, "x y z"]
) -> Float32[np.ndarray, "voxels"] | None:
    if not path.exists():
        return None
    values, _ = read_volume(path)
    if values.shape != mask.shape:
        raise ValueError(
            f"{path} has grid {values.shape}, but the mask has {mask.shape}. "
            "Does it belong to another subject or space?"
        )
    return values[mask].astype(np.float32)


def surface_ncsnr(
    root: Path,
    subject: int,
    masks: tuple[Bool[np.ndarray, "left"], Bool[np.ndarray, "right"]],
    beta_version: str,
) -> Float32[np.ndarray, "vertices"] | None:
    """The same for fsaverage; NaN where a vertex has no data.

    Raises:
        ValueError: damaged, or other vertices.
    """
    paths = [root / path for path in surface_ncsnr_paths(subject, beta_version)]
    if not all(path.exists() for path in paths):
        return None
    sides = []
    for path, mask in zip(paths, masks, strict=True):
        values = read_surface_map(path)
        if len(values) != len(mask):
            raise ValueError(
                f"{path} has {len(values)} vertices, but the mask has {len(mask)}. "
                "Does it belong to another surface?"
            )
        sides.append(values[mask].astype(np.float32))
    return np.concatenate(sides)


def _label_names(root: Path, subject: int | None, name: str) -> dict[int, str]:
    ctab = root / layout.label_folder(subject) / f"{name}.mgz.ctab"
    return read_label_names(ctab) if ctab.exists() else layout.ROI_LABELS.get(name, {})


def _require_kind(space: str, kind: tuple[str, ...], what: str) -> None:
    require_space(space)
    if space not in kind:
        raise LookupError(f"{space} has no {what}. Spaces with {what}: {', '.join(kind)}.")


def _require_members(count: int, roi: str, subject: int, what: str) -> None:
    if not count:
        raise ValueError(
            f"`{roi}` has no {what} in {layout.subject_name(subject)}. "
            "Not every subject has every region: choose another one."
        )

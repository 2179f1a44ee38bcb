"""One subject's tables and maps."""

import numpy as np
from jaxtyping import Bool, Float

from mindeye import nsd_layout as layout
from mindeye.data.design import Design, read_shown_images, require_same_images, showings
from mindeye.data.doctor.check import Check, absent, compared, equal, guarded
from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import surface_ncsnr_paths
from mindeye.data.regions import surface_ncsnr
from mindeye.data.roi import read_volume
from mindeye.files import fingerprint_of

TRIALS = layout.TRIALS_PER_SESSION
SEEN: dict[int, tuple[int, int, int, int]] = {
    **dict.fromkeys((1, 2, 5, 7), (10000, 10000, 10000, 1000)),
    **dict.fromkeys((3, 6), (9411, 8355, 6234, 930)),
    **dict.fromkeys((4, 8), (9209, 7846, 5445, 907)),
}
"""Images seen once or more, twice or more, three times; shared images seen."""
FIRST_SHARED_OF_SUBJECT_1 = {0: 46002, 28: 48617, 35: 44980, 44: 32625, 55: 53052, 90: 32625}
"""Trial -> image id, both from 0."""
VISUAL_AREAS_OF_SUBJECT_1 = (594, 756, 834, 599, 646, 541, 687)
"""Voxels of V1v, V1d, V2v, V2d, V3v, V3d, hV4."""
HELD_BACK_SESSIONS = 3
"""Of every subject: published on 2023-08-20, so earlier copies end before them."""
AFFINE_TOLERANCE_MM = 1e-3
HIGHEST_NCSNR = 10


def table_checks(tree: NSDTree, subject: int, design: Design) -> list[Check]:
    """responses.tsv against the design, and NSD's own counts of images."""
    path, name = layout.responses_path(subject), "responses agree with the design"
    checks = [absent(name, [path], subject)]
    if (tree.root / path).exists():

        def look() -> list[Check]:
            require_same_images(tree.root / path, design)
            rows = len(read_shown_images(tree.root / path))
            sessions = layout.SESSIONS[subject]
            if tree.simulated() is not None:
                sessions = max((-(-rows // TRIALS), *tree.present_sessions(subject)))
            wanted = sessions * TRIALS
            held_back = wanted - HELD_BACK_SESSIONS * TRIALS
            good = rows == wanted or (rows == held_back and tree.simulated() is None)
            return [compared(name, f"{rows} rows", f"{wanted} rows", good, subject)]

        checks = guarded(name, look, subject)
    if tree.simulated() is not None:
        return checks
    ids, counts = showings(design, range(1, layout.SESSIONS[subject] + 1))
    shared = np.isin(ids, design.image_ids[design.is_shared])
    seen = (*(int((counts >= least).sum()) for least in (1, 2, 3)), int(shared.sum()))
    checks.append(equal("images seen 1, 2, 3 times; shared", seen, SEEN[subject], subject))
    if subject == 1:
        checks.append(_first_shared(design))
    return checks


def _first_shared(design: Design) -> Check:
    seen = {trial: int(design.image_ids[trial]) for trial in FIRST_SHARED_OF_SUBJECT_1}
    return equal("first shared images (trial: image id)", seen, FIRST_SHARED_OF_SUBJECT_1, 1)


def map_checks(tree: NSDTree, subject: int) -> tuple[list[Check], Bool[np.ndarray, "x y z"] | None]:
    """Brain mask, regions and noise ceilings; and the voxels of nsdgeneral, where it is whole."""
    mask: list[Bool[np.ndarray, "x y z"]] = []

    def look() -> list[Check]:
        mask.append(tree.mask(subject))
        return _region_checks(tree, subject, mask[0])

    path = layout.roi_path(subject, "nsdgeneral")
    if not (tree.root / path).exists():
        return [absent("nsdgeneral", [path], subject, required=True)], None
    checks = guarded("nsdgeneral", look, subject)
    found = mask[0] if mask else None
    checks += guarded("brain mask", lambda: _brain_checks(tree, subject, found), subject)
    checks += guarded("noise ceilings", lambda: _ceiling_checks(tree, subject, found), subject)
    return checks, found


def _region_checks(tree: NSDTree, subject: int, mask: Bool[np.ndarray, "x y z"]) -> list[Check]:
    real = tree.simulated() is None
    atlas = tree.atlas(subject, "nsdgeneral")
    grid = layout.VOLUME_SHAPES[subject] if real else mask.shape
    wanted = layout.NSDGENERAL_VOXELS[subject] if real else int(mask.sum())
    checks = [
        equal("grid", mask.shape, grid, subject),
        equal("voxels of nsdgeneral", int(mask.sum()), wanted, subject),
    ]
    atlases = tree.atlases(subject, mask)
    placeholder = layout.functional_affine(mask.shape)
    for name, one in {"nsdgeneral": atlas, **atlases}.items():
        if np.abs(one.affine - placeholder).max() > AFFINE_TOLERANCE_MM:
            shown = _shown_affine(one.affine), _shown_affine(placeholder)
            checks.append(compared(f"affine of {name}", *shown, False, subject))
    if all(not check.name.startswith("affine") for check in checks):
        shown = _shown_affine(placeholder)
        checks.append(equal("affine: centred on the slab", shown, shown, subject))
    missing = [layout.roi_path(subject, name) for name in layout.ROI_LABELS if name not in atlases]
    if missing:
        checks.append(absent("regions", missing, subject))
    else:
        shown = ", ".join(atlases)
        checks.append(equal("regions", shown, shown, subject))
    if real and subject == 1 and "prf-visualrois" in atlases:
        values = atlases["prf-visualrois"].values
        counts = tuple(int((values == label).sum()) for label in range(1, 8))
        name = "voxels of V1v V1d V2v V2d V3v V3d hV4"
        checks.append(equal(name, counts, VISUAL_AREAS_OF_SUBJECT_1, 1))
    return checks


def _shown_affine(affine: Float[np.ndarray, "4 4"]) -> str:
    diagonal, shift = np.diag(affine)[:3].round(2), affine[:3, 3].round(2)
    return f"diagonal {diagonal.tolist()}, shift {shift.tolist()}"


def _brain_checks(
    tree: NSDTree, subject: int, mask: Bool[np.ndarray, "x y z"] | None
) -> list[Check]:
    path, name = layout.brainmask_path(subject), "brain mask holds nsdgeneral"
    if not (tree.root / path).exists():
        return [absent(name, [path], subject)]
    brain, _ = read_volume(tree.root / path)
    if mask is None:
        return []
    if brain.shape != mask.shape:
        return [equal(name, brain.shape, mask.shape, subject)]
    outside = int((mask & ~(brain > 0)).sum())
    return [equal(name, f"{outside} voxels outside", "0 voxels outside", subject)]


def surface_ceiling_checks(tree: NSDTree, subject: int, space: str) -> list[Check]:
    """The same on fsaverage, where some subjects have vertices without data."""
    if space != "fsaverage":
        return []
    masks = tree.surface_masks(subject, "nsdgeneral", space)
    checks = []
    for version in layout.BETA_VERSIONS:
        if not tree.present_sessions(subject, beta_version=version, space=space):
            continue
        name = f"noise ceiling of {version} in {space}"

        def look(version: str = version, name: str = name) -> list[Check]:
            ncsnr = surface_ncsnr(tree.root, subject, masks, version)
            if ncsnr is None:
                return [absent(name, surface_ncsnr_paths(subject, version), subject)]
            low, high = np.nanmin(ncsnr), np.nanmax(ncsnr)
            seen = f"{low:.3f} to {high:.3f}, NaN in {int(np.isnan(ncsnr).sum())}"
            good = bool(low >= 0 and high < HIGHEST_NCSNR)
            return [compared(name, seen, f"0 to {HIGHEST_NCSNR}", good, subject)]

        checks += guarded(name, look, subject)
    return checks


def _ceiling_checks(
    tree: NSDTree, subject: int, mask: Bool[np.ndarray, "x y z"] | None
) -> list[Check]:
    """ncsnr of every beta version that is there: each version has its own."""
    paths = {
        version: layout.ncsnr_path(subject, version)
        for version in layout.BETA_VERSIONS
        if tree.present_sessions(subject, beta_version=version)
    }
    there = {version: path for version, path in paths.items() if (tree.root / path).exists()}
    lost = [path for version, path in paths.items() if version not in there]
    checks = [absent("noise ceilings", lost, subject)] if lost else []
    print_of: dict[str, str] = {}
    for version, path in there.items():
        name = f"noise ceiling of {version}"
        twin = print_of.setdefault(fingerprint_of(tree.root / path), version)
        if twin != version:
            wanted = "a file of its own for each version"
            checks.append(compared(name, f"the same file as {twin}'s", wanted, False, subject))
        elif mask is not None:
            ncsnr = tree.ncsnr(subject, mask, beta_version=version)
            low, high, bad = np.nanmin(ncsnr), np.nanmax(ncsnr), int(np.isnan(ncsnr).sum())
            seen = f"{low:.3f} to {high:.3f}, NaN in {bad}"
            good = low >= 0 and high < HIGHEST_NCSNR and bad <= 0.01 * len(ncsnr)
            wanted = f"0 to {HIGHEST_NCSNR}, NaN in 1 % at most"
            checks.append(compared(name, seen, wanted, bool(good), subject))
    return checks

"""The files of betas: which are there, whether they are whole and in the right unit."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32

from mindeye import nsd_layout as layout
from mindeye.data.betas import require_percent_signal
from mindeye.data.doctor.check import Check, absent, compared, equal, guarded
from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import (
    FORMS,
    FSAVERAGE_VERTICES,
    FUNC1MM_SHAPES,
    NATIVE_VERTICES,
    SURFACE_SPACES,
    TEMPLATE_SPACE,
    Session,
    surface_label_paths,
)
from mindeye.data.regions import volume_mean_beta
from mindeye.data.roi import read_volume
from mindeye.nsd_experiments import OTHER_EXPERIMENTS

EXPECTED = "forms equal, |mean| < 20, SD 0.05 to 60, not z-scored"
MOST_EMPTY = 0.5
"""Share of voxels without data above which a file was not written to its end."""
V1_OF_SUBJECT_1 = (2.216, 3.292)
"""Mean and standard deviation of V1 in session 1 in percent, as printed by readers of b3."""
WITHIN_FACTOR = 2.0
"""Of values whose exact definition was not printed with them."""


class Reading(NamedTuple):
    """One session in one space: what there is to read of it."""

    session: Session
    space: str


def readings(tree: NSDTree, subject: int) -> list[Reading]:
    """Every session, version, space and experiment that has a file."""
    found = []
    for space in FORMS:
        for version in layout.BETA_VERSIONS:
            if (space, version) == ("func1mm", "b1"):
                continue
            numbers = tree.present_sessions(subject, beta_version=version, space=space)
            sessions = [Session(subject, number=one, beta_version=version) for one in numbers]
            if version != "b1" and space != TEMPLATE_SPACE:
                others = (Session(subject, name, None, version) for name in OTHER_EXPERIMENTS)
                sessions += [one for one in others if _forms(tree, one, space)]
            found += [Reading(session, space) for session in sessions]
    return found


def _forms(tree: NSDTree, session: Session, space: str) -> list[str]:
    return [
        form
        for form in FORMS[space]
        if any((tree.root / path).exists() for path in session.paths(space, form))
    ]


def presence_checks(tree: NSDTree, subject: int, found: Iterable[Reading]) -> list[Check]:
    """Which sessions of func1pt8mm are there, version by version; holes must be mended."""
    main = [
        one.session
        for one in found
        if one.space == layout.SPACE and one.session.experiment == "nsd"
    ]
    if not main:
        lost = range(1, layout.SESSIONS[subject] + 1)
        return [absent("sessions", _paths(subject, "b3", lost), subject, required=True)]
    checks = []
    for version in sorted({session.beta_version for session in main}):
        numbers = {session.number for session in main if session.beta_version == version}
        last = max(numbers)
        seen = f"{len(numbers)}, last {last}"
        holes = [number for number in range(1, last) if number not in numbers]
        if holes:
            name = f"sessions of {version} before the last one"
            checks.append(absent(name, _paths(subject, version, holes), subject, required=True))
        checks.append(equal(f"sessions of {version}", seen, seen, subject))
        later = range(last + 1, layout.SESSIONS[subject] + 1)
        if later and tree.simulated() is None:
            paths = _paths(subject, version, later)
            checks.append(absent(f"later sessions of {version}", paths, subject))
    return checks


def _paths(subject: int, version: str, numbers: Iterable[int]) -> list[Path]:
    return [layout.betas_path(subject, number, "hdf5", version) for number in numbers]


def region_of_space(tree: NSDTree, subject: int, space: str) -> list[Check]:
    """nsdgeneral in a space other than func1pt8mm: there, and as large as NSD's."""
    name = f"nsdgeneral in {space}"
    if space in SURFACE_SPACES:
        paths = surface_label_paths(subject, "nsdgeneral", space)
        wanted = FSAVERAGE_VERTICES if space == "fsaverage" else NATIVE_VERTICES[subject]
    else:
        paths = (layout.roi_path(subject, "nsdgeneral", space=space),)
        wanted = FUNC1MM_SHAPES[subject]
    lost = [path for path in paths if not (tree.root / path).exists()]
    if lost:
        return [absent(name, lost, subject)]

    def look() -> list[Check]:
        if space in SURFACE_SPACES:
            size = tuple(len(side) for side in tree.surface_masks(subject, "nsdgeneral", space))
        else:
            size = tree.mask(subject, "nsdgeneral", space).shape
        return [equal(name, size, size if tree.simulated() is not None else wanted, subject)]

    return guarded(name, look, subject)


def read(
    tree: NSDTree, reading: Reading
) -> tuple[list[Check], Float32[np.ndarray, "voxels"] | None]:
    """Reads every form of one session: unit, equality, voxels without data; and its mean."""
    session, space = reading
    subject = session.subject
    name = f"{session.stem} {session.beta_version} {space}"
    means: list[np.ndarray] = []

    def look() -> list[Check]:
        forms = _forms(tree, session, space)
        arrays = [_betas(tree, session, form, space) for form in forms]
        betas = arrays[0]
        require_percent_signal(betas, name)
        for form, other in zip(forms[1:], arrays[1:], strict=True):
            differ = int((betas != other).any(0).sum())
            if differ:
                seen = f"{forms[0]} and {form} differ in {differ} of {betas.shape[1]} voxels"
                return [compared(name, seen, "equal", False, subject)]
        empty = ~np.nan_to_num(betas).any(0)
        means.append(betas.mean(0))
        used = betas[:, ~empty]
        sd = float(np.median(used.std(0, ddof=1))) if used.size else 0.0
        seen = f"{' = '.join(forms)}, mean {np.nanmean(betas):.2f}, SD {sd:.2f}"
        seen += f", {int(empty.sum())} of {len(empty)} without data"
        contradicting = _contradicting(tree, reading, empty)
        if contradicting:
            seen += f"; the valid-voxel map says otherwise in {contradicting}"
        good = empty.mean() <= MOST_EMPTY and not contradicting
        return [compared(name, seen, EXPECTED, bool(good), subject)]

    checks = guarded(name, look, subject)
    return checks, means[0] if means else None


def _betas(
    tree: NSDTree, session: Session, form: str, space: str
) -> Float32[np.ndarray, "trials voxels"]:
    options = {"source": form, "beta_version": session.beta_version, "space": space}
    if session.experiment == "nsd":
        return tree.betas(session.subject, session.number, **options)
    return tree.other_betas(session.experiment, session.subject, **options)


def _contradicting(tree: NSDTree, reading: Reading, empty: Bool[np.ndarray, "voxels"]) -> int:
    """Voxels without data that NSD calls valid in this session, and with data that it does not."""
    session, space = reading
    if session.experiment != "nsd" or space != layout.SPACE:
        return 0
    path = tree.root / layout.valid_session_path(session.subject, session.number)
    if not path.exists():
        return 0
    valid = read_volume(path)[0][tree.mask(session.subject)] > 0
    return int((empty == valid).sum())


def mean_check(
    tree: NSDTree, subject: int, version: str, means: list[Float32[np.ndarray, "voxels"]]
) -> list[Check]:
    """meanbeta, which is stored like the betas, against the mean of what was read."""
    name = f"meanbeta of {version} over the mean of its sessions"

    def look() -> list[Check]:
        stored = volume_mean_beta(tree.root, subject, tree.mask(subject), version)
        if stored is None:
            return [absent(name, [layout.mean_beta_path(subject, version)], subject)]
        read_mean = np.median(np.abs(np.mean(means, axis=0)))
        ratio = float(np.median(np.abs(stored)) / read_mean)
        good = 1 / WITHIN_FACTOR < ratio < WITHIN_FACTOR
        return [compared(name, f"{ratio:.3g}", "about 1", good, subject)]

    return guarded(name, look, subject)


def first_area_check(tree: NSDTree) -> list[Check]:
    """V1 of subject 1 in session 1 of a real tree, whose values are known."""
    name = "betas_session01 b3: V1"

    def look() -> list[Check]:
        betas = tree.betas(1, 1, "prf-visualrois:V1v+V1d")
        seen = (float(betas.mean()), float(betas.std()))
        ratios = [one / wanted for one, wanted in zip(seen, V1_OF_SUBJECT_1, strict=True)]
        good = all(1 / WITHIN_FACTOR < ratio < WITHIN_FACTOR for ratio in ratios)
        mean, sd = V1_OF_SUBJECT_1
        shown = f"mean {seen[0]:.3f}, SD {seen[1]:.3f}"
        return [compared(name, shown, f"about mean {mean}, SD {sd}", good, 1)]

    return guarded(name, look, 1)

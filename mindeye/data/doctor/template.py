"""The files of betas in MNI: whole, on NSD's grid, in the right unit, 0 where not valid."""

import numpy as np
from jaxtyping import Bool

from mindeye import nsd_layout as layout
from mindeye.data.betas import read_session, require_percent_signal
from mindeye.data.doctor.check import Check, absent, compared, equal, guarded
from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import (
    TEMPLATE_SHIFT_MM,
    TEMPLATE_SPACE,
    Session,
    template_valid_path,
)
from mindeye.data.roi import read_volume

MOST_VOXELS = 20_000
"""So many inside, and so many outside of the valid voxels, are looked at: all take gigabytes."""
EXPECTED = "|mean| < 20, SD 0.05 to 60, data in the valid voxels alone"


def template_checks(tree: NSDTree, session: Session) -> list[Check]:
    """One session of the main experiment, read whole, against NSD's map of valid voxels."""
    subject = session.subject
    name = f"{session.stem} {session.beta_version} {TEMPLATE_SPACE}"
    valid_path = template_valid_path(session)
    if not (tree.root / valid_path).exists():
        return [absent(f"valid voxels of {name}", [valid_path], subject)]

    def look() -> list[Check]:
        valid, affine = read_volume(tree.root / valid_path)
        checks = []
        if tree.simulated() is None:
            shown = (*np.diag(affine)[:3].tolist(), *affine[:3, 3].tolist())
            wanted = (1.0, 1.0, 1.0, *TEMPLATE_SHIFT_MM)
            checks.append(equal(f"affine of {name}", shown, wanted, subject))
        return [*checks, _values(tree, session, name, valid > 0)]

    return guarded(name, look, subject)


def _values(tree: NSDTree, session: Session, name: str, valid: Bool[np.ndarray, "x y z"]) -> Check:
    looked_at = _thinned(valid) | _thinned(~valid)
    path = tree.paths_of(session, space=TEMPLATE_SPACE)[0]
    betas = read_session(path, looked_at, layout.TRIALS_PER_SESSION)
    inside = valid[looked_at]
    require_percent_signal(betas[:, inside], name)
    empty = ~betas.any(0)
    contradicting = int((empty == inside).sum())
    used = betas[:, inside & ~empty]
    sd = float(np.median(used.std(0, ddof=1))) if used.size else 0.0
    mean = float(used.mean()) if used.size else 0.0
    seen = f"nii.gz, mean {mean:.2f}, SD {sd:.2f} in {int(inside.sum())} valid voxels"
    if contradicting:
        seen += f"; the valid-voxel map says otherwise in {contradicting}"
    return compared(name, seen, EXPECTED, not contradicting and bool(used.size), session.subject)


def _thinned(mask: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    """At most `MOST_VOXELS` of a mask's voxels, evenly spread over it."""
    members = np.flatnonzero(mask)
    kept = np.zeros(mask.size, dtype=bool)
    kept[members[:: -(-len(members) // MOST_VOXELS) or 1]] = True
    return kept.reshape(mask.shape)

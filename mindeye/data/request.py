"""What to prepare: settings resolved against the tree, every file found, before any writing."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mindeye import nsd_layout as layout
from mindeye.data.batches import MANIFEST, PreparedSubject
from mindeye.data.design import Design
from mindeye.data.nsd import NSDTree
from mindeye.data.protocols import Assignment, assign, protocol_of, unlike_nsd
from mindeye.data.roi import parse_roi
from mindeye.data.zscore import ZSCORE_SCOPES

_LOG = logging.getLogger(__name__)


class Request(NamedTuple):
    """What to prepare, resolved and checked."""

    tree: NSDTree
    design: Design
    mask: Bool[np.ndarray, "x y z"]
    assignment: Assignment
    settings: dict
    files: dict[int, Path]
    """Session -> its betas."""

    @property
    def splits(self) -> dict[str, Int[np.ndarray, "_"]]:
        """Ascending image ids."""
        return self.assignment.splits

    @property
    def image_ids(self) -> Int[np.ndarray, "images"]:
        return np.unique(np.concatenate(list(self.splits.values())))


def settings_of(
    tree: NSDTree,
    subject: int,
    roi: str,
    sessions: Sequence[int] | None,
    beta_version: str,
    zscore: str,
    seed: int,
    protocol: str,
) -> dict:
    """What decides the contents of a prepared folder, as it stands in the manifest."""
    parse_roi(roi)
    if zscore not in ZSCORE_SCOPES:
        raise LookupError(
            f"Unknown z-score scope `{zscore}`. Pick one of {', '.join(ZSCORE_SCOPES)}."
        )
    if sessions is None:
        asked, there = None, tree.sessions(subject, beta_version=beta_version)
    else:
        asked = there = tuple(sorted(int(session) for session in sessions))
    if not there or len(set(there)) < len(there):
        raise ValueError(f"Sessions {list(there)}: name each one once, and at least one.")
    for session in there:
        tree.require_session(subject, session)
    numbers = protocol_of(protocol).sessions(subject, asked, there)
    return {
        "subject": subject,
        "space": layout.SPACE,
        "beta_version": beta_version,
        "roi": roi,
        "protocol": protocol,
        "zscore": zscore,
        "sessions": list(numbers),
        "seed": seed,
        "simulated": tree.simulated(),
    }


def require_same_settings(out: Path, settings: dict) -> dict:
    """The manifest of `out`; refuses a folder that holds something else."""
    if not (out / MANIFEST).exists():
        raise ValueError(
            f"{out} exists and is no prepared folder (no {MANIFEST}). Choose another folder."
        )
    manifest = PreparedSubject(out).manifest
    for key, wanted in settings.items():
        if manifest.get(key) != wanted:
            raise ValueError(
                f"{out} was prepared with {key} {manifest.get(key)}, not {wanted}. "
                "Choose another folder, or delete this one."
            )
    return manifest


def resolve(tree: NSDTree, settings: dict, source: str, validation_share: float) -> Request:
    """Finds every file before anything is written."""
    subject, sessions = settings["subject"], settings["sessions"]
    version = settings["beta_version"]
    files = {
        session: tree.session_path(subject, session, source=source, beta_version=version)
        for session in sessions
    }
    design = tree.design(subject)
    name = settings["protocol"]
    assignment = assign(
        name, design, sessions, seed=settings["seed"], validation_share=validation_share
    )
    differs = unlike_nsd(name, subject, assignment)
    if differs and settings["simulated"] is None:
        _LOG.warning(
            f"{tree.root}: by its design, {name} of subject {subject} has {differs} as NSD itself. "
            f"Is it made up? Then put a {layout.SIMULATED_FILE} there, and this is not said."
        )
    return Request(tree, design, tree.mask(subject, settings["roi"]), assignment, settings, files)

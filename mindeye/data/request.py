"""What to prepare: settings resolved against the tree, every file found, before any writing."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mindeye import nsd_layout as layout
from mindeye.data.batches import MANIFEST, PreparedSubject
from mindeye.data.design import Design
from mindeye.data.nsd import NSDTree
from mindeye.data.roi import parse_roi
from mindeye.data.splits import split_images
from mindeye.data.zscore import ZSCORE_SCOPES

PROTOCOL = "nsd-40-new_test"
"""Test: all shared images of the prepared sessions, up to three repeats."""


class Request(NamedTuple):
    """What to prepare, resolved and checked."""

    tree: NSDTree
    design: Design
    mask: Bool[np.ndarray, "x y z"]
    splits: dict[str, Int[np.ndarray, "_"]]
    settings: dict
    files: dict[int, Path]
    """Session -> its betas."""

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
) -> dict:
    """What decides the contents of a prepared folder, as it stands in the manifest."""
    parse_roi(roi)
    if zscore not in ZSCORE_SCOPES:
        raise LookupError(
            f"Unknown z-score scope `{zscore}`. Pick one of {', '.join(ZSCORE_SCOPES)}."
        )
    if sessions is None:
        numbers = tree.sessions(subject, beta_version=beta_version)
    else:
        numbers = tuple(sorted(int(session) for session in sessions))
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"Sessions {list(numbers)}: name each one once, and at least one.")
    for session in numbers:
        tree.require_session(subject, session)
    return {
        "subject": subject,
        "space": layout.SPACE,
        "beta_version": beta_version,
        "roi": roi,
        "protocol": PROTOCOL,
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


def resolve(tree: NSDTree, settings: dict, source: str) -> Request:
    """Finds every file before anything is written."""
    subject, sessions = settings["subject"], settings["sessions"]
    version = settings["beta_version"]
    files = {
        session: tree.session_path(subject, session, source=source, beta_version=version)
        for session in sessions
    }
    design = tree.design(subject)
    shown = np.isin(design.sessions, sessions)
    splits = split_images(design.image_ids[shown], design.is_shared[shown], seed=settings["seed"])
    return Request(tree, design, tree.mask(subject, settings["roi"]), splits, settings, files)

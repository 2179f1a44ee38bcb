"""Prepared folders that only test a run: whether they fit, and what its artefacts say of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.data.batches import PreparedSubject


def about_test(prepared: PreparedSubject, trained: Mapping[str, Any]) -> dict:
    """What stands in every artefact beside the protocol, where it is not that of the training."""
    manifest = prepared.manifest
    keys = ("task", "zscore", "pictures", "left_out")
    return {
        "data": str(prepared.path.resolve()),
        **{key: manifest[key] for key in keys if manifest.get(key) is not None},
        "trained_by": {key: trained[key] for key in ("protocol", "zscore", "sessions")},
    }


def require_fits(
    place: Path, prepared: PreparedSubject, trained: Mapping[str, Any], training: Path
) -> None:
    """Refuses a test whose betas mean something else than those of the training.

    Args:
        trained: the manifest that a run was trained with; its voxels are the same.
        training: where that folder lay.

    Raises:
        ValueError: another beta version, another unit, or test images that are training images.
    """
    manifest = prepared.manifest
    if manifest["beta_version"] != trained["beta_version"]:
        raise ValueError(
            f"{place} has betas {manifest['beta_version']}, but this run was trained on "
            f"{trained['beta_version']}. Prepare it again with --betas {trained['beta_version']}."
        )
    if (manifest["zscore"] == "none") != (trained["zscore"] == "none"):
        other = "z-scored betas" if manifest["zscore"] == "none" else "percent signal change"
        raise ValueError(
            f"{place} has z-score scope {manifest['zscore']}, but this run was trained on {other} "
            f"({trained['zscore']}). Prepare it again with another --zscore."
        )
    _require_unseen(place, manifest, trained, training)


def _require_unseen(
    place: Path, manifest: Mapping[str, Any], trained: Mapping[str, Any], training: Path
) -> None:
    """Some pictures of nsdimagery are NSD's own, under ids of another experiment."""
    twins = manifest.get("nsd_images", {})
    if not twins:
        return
    name = f"{len(twins)} images of {place} are images of NSD"
    try:
        found = PreparedSubject(training)
    except (FileNotFoundError, ValueError):
        found = None
    if found is None or found.manifest["files"] != trained["files"]:
        raise ValueError(
            f"{name}, and {training}, which this run was trained on, is gone or has changed: "
            "nobody can tell whether it was trained on them. Put that folder back."
        )
    both = np.intersect1d(list(twins.values()), found.image_ids_of("train"))
    if len(both):
        raise ValueError(
            f"{name}, and this run was trained on {len(both)} of them ({trained['protocol']}), "
            f"first 73k id {both[0]} (from 0). Test a run of another protocol, such as "
            "nsd-40-new_test, in which they are no training images."
        )

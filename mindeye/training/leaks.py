"""No image may be the test of one subject and the training of another, now or before."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mindeye.data.batches import PreparedSubject
from mindeye.run import RunFolder

DATASETS_OF_NSD = ("nsd", "mindeye1", "mindeye2")
"""Their image ids mean the same pictures."""

IdsOf = Callable[[PreparedSubject, str], np.ndarray]


def require_no_leak(prepared: Sequence[PreparedSubject], start_from: Path | None) -> None:
    """Refuses a test image that another subject trains on, or that the start was trained on.

    Within one protocol shared images are the test of everybody; folders of several protocols, or
    with other sessions held out, can mix.

    Raises:
        FileNotFoundError: `start_from` is no run folder.
        ValueError: names the folders and up to five image ids; or nobody can tell, because a
            folder of the start is gone and was prepared by another protocol.
    """
    here = [one for one in prepared if one.manifest["dataset"] in DATASETS_OF_NSD]
    # Walking through all shards of a subject takes a second: once is enough.
    ids_of = cache(PreparedSubject.image_ids_of)
    for tested in here:
        for trained in here:
            if trained is not tested:
                _require_disjoint(trained, tested, ids_of)
    for place, manifest in _trained_before(start_from):
        for tested in here:
            _require_unseen(place, manifest, tested, ids_of)


def _trained_before(start_from: Path | None) -> list[tuple[Path, dict]]:
    """Prepared folders and manifests of a run and of those that it started from, while there."""
    found: list[tuple[Path, dict]] = []
    path = start_from
    while path is not None and (path == start_from or path.exists()):
        provenance = RunFolder(path=path).provenance()
        paths = provenance.get("paths", {})
        found += zip(map(Path, paths.get("data", ())), provenance["data"])
        path = Path(paths["start_from"]) if paths.get("start_from") else None
    return [(place, one) for place, one in found if one["dataset"] in DATASETS_OF_NSD]


def _require_unseen(place: Path, manifest: dict, tested: PreparedSubject, ids_of: IdsOf) -> None:
    """Compares with what stands there, if that is still what the start was trained on."""
    if all(manifest[key] == tested.manifest[key] for key in ("files", "splits")):
        return
    try:
        trained = PreparedSubject(place)
    except (FileNotFoundError, ValueError):
        trained = None
    if trained is not None and trained.manifest["files"] == manifest["files"]:
        _require_disjoint(trained, tested, ids_of)
    elif manifest["protocol"] != tested.manifest["protocol"]:
        raise ValueError(
            f"The run to start from was trained on {place} by {manifest['protocol']}, which is "
            f"gone, and {tested.path} was prepared by {tested.manifest['protocol']}: nobody can "
            "tell whether test images were training images. Put the folder back, or prepare by "
            "that protocol."
        )


def _require_disjoint(trained: PreparedSubject, tested: PreparedSubject, ids_of: IdsOf) -> None:
    both = np.intersect1d(ids_of(trained, "train"), ids_of(tested, "test"))
    if len(both):
        raise ValueError(
            f"{len(both)} test images of {tested.path} ({tested.manifest['protocol']}) are "
            f"training images of {trained.path} ({trained.manifest['protocol']}), first "
            f"{both[:5].tolist()}. Prepare both subjects by one protocol."
        )

"""No image may be the test of one subject and the training of another, now or before."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from mindeye.data.batches import PreparedSubject
from mindeye.data.origin import picture_set_of, pictures_of
from mindeye.run import RunFolder

PicturesOf = Callable[[PreparedSubject, str], list]


def require_no_leak(prepared: Sequence[PreparedSubject], start_from: Path | None) -> None:
    """Refuses a test image that another subject trains on, or that the start was trained on.

    Within one protocol shared images are the test of everybody; folders of several protocols, or
    with other sessions held out, can mix.

    Raises:
        FileNotFoundError: `start_from` is no run folder.
        ValueError: names the folders and up to five images; or nobody can tell, because a
            folder of the start is gone and was prepared by another protocol.
    """
    # Walking through all shards of a subject takes a second: once is enough.
    known_by = cache(pictures_of)
    for tested in prepared:
        for trained in prepared:
            if trained is not tested and _share_pictures(trained.manifest, tested.manifest):
                _require_disjoint(trained, tested, known_by)
    for place, manifest in _trained_before(start_from):
        for tested in prepared:
            if _share_pictures(manifest, tested.manifest):
                _require_unseen(place, manifest, tested, known_by)


def _share_pictures(one: dict, other: dict) -> bool:
    return picture_set_of(one) is not None and picture_set_of(one) == picture_set_of(other)


def _trained_before(start_from: Path | None) -> list[tuple[Path, dict]]:
    """Prepared folders and manifests of a run and of those that it started from, while there."""
    found: list[tuple[Path, dict]] = []
    path = start_from
    while path is not None and (path == start_from or path.exists()):
        provenance = RunFolder(path=path).provenance()
        paths = provenance.get("paths", {})
        found += zip(map(Path, paths.get("data", ())), provenance["data"])
        path = Path(paths["start_from"]) if paths.get("start_from") else None
    return found


def _require_unseen(
    place: Path, manifest: dict, tested: PreparedSubject, known_by: PicturesOf
) -> None:
    """Compares with what stands there, if that is still what the start was trained on."""
    if all(manifest[key] == tested.manifest[key] for key in ("files", "splits")):
        return
    try:
        trained = PreparedSubject(place)
    except (FileNotFoundError, ValueError):
        trained = None
    if trained is not None and trained.manifest["files"] == manifest["files"]:
        _require_disjoint(trained, tested, known_by)
    elif manifest["protocol"] != tested.manifest["protocol"]:
        raise ValueError(
            f"The run to start from was trained on {place} by {manifest['protocol']}, which is "
            f"gone, and {tested.path} was prepared by {tested.manifest['protocol']}: nobody can "
            "tell whether test images were training images. Put the folder back, or prepare by "
            "that protocol."
        )


def _require_disjoint(
    trained: PreparedSubject, tested: PreparedSubject, known_by: PicturesOf
) -> None:
    both = sorted({*known_by(trained, "train")} & {*known_by(tested, "test")})
    if both:
        raise ValueError(
            f"{len(both)} test images of {tested.path} ({tested.manifest['protocol']}) are "
            f"training images of {trained.path} ({trained.manifest['protocol']}), first "
            f"{both[:5]}. Prepare both subjects by one protocol."
        )

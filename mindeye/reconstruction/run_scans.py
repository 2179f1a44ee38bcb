"""Which prepared scans belong to a run, and whether a folder still holds them; opens no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindeye.data.batches import PreparedSubject
from mindeye.reconstruction.run_networks import require_named


def index_of(path: Path, provenance: Mapping[str, Any], subject: int | None) -> int:
    """Which of a run's subjects is meant, by default the first.

    Raises:
        LookupError: a subject that the run was not trained on.
        ValueError: the run was converted, and nothing is given to it.
    """
    require_named(path, provenance)
    trained = [one["subject"] for one in provenance["data"]]
    if subject is not None and subject not in trained:
        if "given" in provenance:
            raise LookupError(
                f"{provenance['paths']['data'][0]} is of subject {trained[0]}, not {subject}. "
                "Give that subject's folder with --data, or leave --subject out."
            )
        raise LookupError(
            f"{path} was not trained on subject {subject}; it knows "
            f"{', '.join(str(one) for one in trained)}. Choose one of these with --subject."
        )
    return 0 if subject is None else trained.index(subject)


def training_scans(
    provenance: Mapping[str, Any], index: int, data: Path | None = None
) -> PreparedSubject:
    """What a run was trained on of one of its subjects; no network is opened.

    Args:
        data: its prepared folder, where it has moved since training.

    Raises:
        FileNotFoundError, ValueError: the folder is gone, or holds other data now.
    """
    prepared = PreparedSubject(data or Path(provenance["paths"]["data"][index]))
    require_same_data(prepared.path, prepared.manifest, provenance["data"][index])
    return prepared


def require_same_voxels(place: Path, found: dict, trained: dict) -> None:
    """Refuses another subject, or other voxels of the same."""
    if found["subject"] != trained["subject"]:
        raise ValueError(
            f"{place} is of subject {found['subject']}, but subject {trained['subject']} of this "
            "run is asked for. Give that subject's folder, or choose another one with --subject."
        )
    if found["voxel_hash"] != trained["voxel_hash"]:
        raise ValueError(
            f"{place} has voxels {found['voxel_hash'][:12]}, but this run was trained on "
            f"{trained['voxel_hash'][:12]}. Prepare the same subject with the same ROI."
        )


def require_same_data(place: Path, found: dict, trained: dict) -> None:
    """Refuses a prepared folder with other trials: its test set may be the training's."""
    if found["files"] != trained["files"]:
        other = sorted(
            name for name in found["files"] if found["files"][name] != trained["files"].get(name)
        )
        raise ValueError(
            f"{place} holds other data than this run was trained with ({', '.join(other[:3])} "
            "differ): its test images may be training images. Give the folder of the training."
        )

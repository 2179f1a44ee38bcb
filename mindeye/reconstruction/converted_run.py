"""Scans for a run that was converted from a published checkpoint, which names none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindeye.data.batches import PreparedSubject
from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.reconstruction.given_networks import GivenNetworks
from mindeye.reconstruction.run_networks import provenance_with
from mindeye.run import RunFolder

# The only protocol of NSD whose test holds images that published systems were trained on.
OWN_IMAGES_TEST = "nsd-session-heldout"


def provenance_of_run(
    folder: RunFolder, given: GivenNetworks, data: Path | None, *, needs_vae: bool = True
) -> dict[str, Any]:
    """What a run tells, and of a converted one what its user gives; opens manifests alone.

    Args:
        needs_vae: see `provenance_with`.

    Raises:
        ValueError, LookupError: see `provenance_with` and `data_of_converted`.
    """
    provenance = provenance_with(folder, given, needs_vae=needs_vae)
    if "given" not in provenance:
        return provenance
    if data is None:
        raise ValueError(
            f"{folder.path} was converted and has no prepared scans of its own. Give those of its "
            "subject with --data FOLDER; `mindeye prepare` makes it."
        )
    architecture = read_architecture(folder.path / ARCHITECTURE_FILE)
    manifest = data_of_converted(folder.path, data, architecture.num_voxels_of)
    paths = {**provenance["paths"], "data": [str(data.resolve())]}
    return {**provenance, "paths": paths, "data": [manifest]}


def data_of_converted(path: Path, place: Path, num_voxels_of: Mapping[int, int]) -> dict[str, Any]:
    """The manifest of scans that a converted run is to draw, as far as its checkpoint tells.

    Args:
        num_voxels_of: subject -> voxels of its decoder.

    Raises:
        FileNotFoundError: no prepared folder.
        LookupError: of a subject without ridge layer.
        ValueError: other voxels, betas that are not z-scored, or test images that the published
            systems trained on.

    Source: MindEye1 (arXiv:2305.18274) and MindEye2 (arXiv:2403.11207) were trained on all images
    of their subjects but the shared ones.
    """
    prepared = PreparedSubject(place)
    manifest, subject = prepared.manifest, prepared.subject
    if subject not in num_voxels_of:
        raise LookupError(
            f"{place} is of subject {subject}, but {path} has ridge layers for "
            f"{', '.join(str(one) for one in num_voxels_of)}. Give one of theirs."
        )
    if prepared.num_voxels != num_voxels_of[subject]:
        raise ValueError(
            f"{place} has {prepared.num_voxels} voxels, but {path} takes {num_voxels_of[subject]} "
            f"of subject {subject}. Prepare it with the ROI of the checkpoint."
        )
    if manifest["zscore"] == "none":
        raise ValueError(
            f"{place} holds percent signal change, but published decoders take z-scored betas. "
            "Prepare it again with another --zscore."
        )
    if prepared.is_test_only or manifest["protocol"] == OWN_IMAGES_TEST:
        raise ValueError(
            f"{place} tests with images of {manifest['protocol']}, and {path} does not tell which "
            "images it was trained on: published decoders saw all but NSD's shared ones. Prepare "
            "another protocol, such as nsd-40-new_test."
        )
    return manifest


def require_held_out(path: Path, provenance: Mapping[str, Any], split: str) -> None:
    """Refuses validation images of a converted run: it was trained on them.

    Raises:
        ValueError: says so.
    """
    if split != "test" and "given" in provenance:
        raise ValueError(
            f"{path} was converted: published decoders were trained on all images but the shared "
            f"ones, those of the {split} among them. Leave --split out."
        )

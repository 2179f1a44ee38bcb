"""Whose brain and whose pictures: what tells data sets apart, read off manifests."""

from collections.abc import Mapping

from mindeye.data.batches import PreparedSubject

NSD = "nsd"
ORIGINAL_NAMES = "original file names"
"""The picture set of data sets that keep the file names of ImageNet, COCO, THINGS and so on."""
DATASETS_OF_NSD = (NSD, "mindeye1", "mindeye2")
"""Their subjects are the same people, and their image ids mean the same pictures."""


def people_of(manifest: Mapping) -> str:
    """The data set whose numbering of subjects a prepared folder follows."""
    dataset = manifest["dataset"]
    return NSD if dataset in DATASETS_OF_NSD else dataset


def named_dataset(manifest: Mapping) -> dict[str, str]:
    """What artefacts say beside a subject's number: nothing for NSD, whose subjects all know."""
    return {} if people_of(manifest) == NSD else {"dataset": manifest["dataset"]}


def picture_set_of(manifest: Mapping) -> str | None:
    """Within which a picture is known by its name (in NSD by its id); None: nobody has said."""
    return NSD if manifest["dataset"] in DATASETS_OF_NSD else manifest.get("picture_set")


def pictures_of(prepared: PreparedSubject, split: str) -> list[int] | list[str]:
    """What the pictures of one split are known by in their picture set, ascending.

    Raises:
        LookupError: no such split.
        ValueError: a damaged shard.
    """
    image_ids = prepared.image_ids_of(split).tolist()
    names = prepared.image_names
    return sorted(names[image_id] for image_id in image_ids) if names else image_ids

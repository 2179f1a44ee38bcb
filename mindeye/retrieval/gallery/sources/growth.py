"""What of a source a gallery has already, and what is new in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mindeye.files import holds_something, read_json
from mindeye.retrieval.gallery.folder import MANIFEST, Gallery
from mindeye.retrieval.gallery.sources.sources import GallerySource

# What a build that was killed early leaves.
_FOLDERS = {"building", "embeddings", "metadata", "tokens", "kept"}


def without_known(source: GallerySource, gallery: Gallery) -> GallerySource:
    """The shards that a gallery does not have yet.

    Raises:
        ValueError: a file that it has is another one now, or a folder of pictures changed.
    """
    known: dict[str, int] = {}
    for entry in gallery.about["sources"]:
        if entry["root"] != str(source.root) or entry["form"] != source.form:
            continue
        if source.form == "folder":
            if entry["listing"] == source.listing:
                return replace(source, shards=())
            raise ValueError(
                f"{source.root} changed since {gallery.path} was built from it. Put the new "
                "pictures into a folder of their own and add that, or build a new gallery."
            )
        known |= entry["files"]
    for shard in source.shards:
        before = known.get(shard.files[0], shard.num_bytes)
        if before != shard.num_bytes:
            raise ValueError(
                f"{source.root / shard.files[0]} has {shard.num_bytes} bytes, but had {before} "
                f"when {gallery.path} was built. Restore it, or build a new gallery."
            )
    return replace(source, shards=tuple(s for s in source.shards if s.files[0] not in known))


def files_of(source: GallerySource) -> dict[str, int]:
    """Tars or files of embeddings -> bytes; of a folder of pictures, its listing tells enough."""
    if source.form == "folder":
        return {}
    return {shard.files[0]: shard.num_bytes for shard in source.shards}


def next_shard(gallery: Gallery | None) -> int:
    """Past all numbers that stand before names, also of shards that gave no vector."""
    if gallery is None or not gallery.shards:
        return 0
    return int(gallery.shards[-1].name.split("-")[0]) + 1


def require_same_vectors(gallery: Gallery, network: str, width: int) -> None:
    """Refuses to mix vectors that cannot be compared.

    Raises:
        ValueError: the gallery holds those of another network, or of another width.
    """
    if (gallery.network, gallery.width) != (network, width):
        raise ValueError(
            f"{gallery.path} holds vectors of {gallery.network} ({gallery.width} numbers each), "
            f"not of {network} ({width}). Vectors of two networks cannot be compared: choose "
            "another folder with --out."
        )


def require_resumable(path: Path, wanted: dict[str, Any]) -> None:
    """Refuses to go on with what was begun from something else, or with other settings.

    Args:
        path: what was begun.

    Raises:
        ValueError: what differs.
    """
    begun = read_json(path)
    differing = [name for name in wanted if begun.get(name) != wanted[name]]
    if differing == ["settings"]:
        differing = [
            name
            for name in wanted["settings"]
            if begun["settings"].get(name) != wanted["settings"][name]
        ]
    if differing:
        raise ValueError(
            f"{path.parent.parent} is being built from {begun['root']} with another "
            f"{' and another '.join(differing)}. Run that command to its end, or delete "
            f"{path.parent} to give it up."
        )


def require_gallery_folder(out: Path, source: Path) -> None:
    """Refuses a folder of something else, of which a build would sweep a part.

    Args:
        source: the file that says what is being built there.

    Raises:
        NotADirectoryError: it is a file.
        ValueError: it holds no gallery.
    """
    if (out / MANIFEST).is_file() or source.is_file() or not holds_something(out):
        return
    names = {one.name for one in out.iterdir() if not one.name.startswith(".")}
    if names - _FOLDERS or holds_something(source.parent):
        raise ValueError(f"{out} is not empty and holds no gallery. Choose another folder.")

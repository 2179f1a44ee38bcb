"""Pictures of a gallery: files, members of tars, or an address in the web."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.retrieval.gallery.folder import Gallery

ADDRESSES = ("url", "URL")
"""Columns that hold a picture's address; LAION-400M and LAION-2B write it in capitals."""


MOST_PIXELS = 100_000_000
"""Of a picture that a gallery is built of, unless it was built with another limit."""


@dataclass(frozen=True, kw_only=True)
class GalleryPicture:
    """Where a picture is; its bytes are read when they are asked for."""

    row: int
    record: dict[str, Any]
    """Of its metadata what tells where it is and whether it is the same."""
    file: Path | None
    """The picture's file, or the tar that holds it; None where only the address is known."""
    offset: int | None
    """Of its first byte in the tar."""
    url: str | None
    max_pixels: int = MOST_PIXELS
    """What was embedded has no more of them, and can so be shown."""

    def read(self) -> bytes | None:
        """The encoded picture (JPEG, PNG, ...) as it was embedded; None where it is not here.

        Raises:
            FileNotFoundError: file or tar is gone.
            ValueError: another picture is there now.
        """
        if self.file is None:
            return None
        if not self.file.is_file():
            raise FileNotFoundError(
                f"{self.file} is missing: it holds the picture of gallery row {self.row}. "
                "Restore it, or build the gallery again."
            )
        with self.file.open("rb") as stream:
            stream.seek(self.offset or 0)
            content = stream.read(self.record["size"])
        if hashlib.sha256(content).hexdigest() != self.record["sha256"]:
            raise ValueError(
                f"{self.file} holds another picture than when gallery row {self.row} was embedded. "
                "Restore it, or build the gallery again."
            )
        return content


def pictures(gallery: Gallery, rows: Int[np.ndarray, "rows"]) -> list[GalleryPicture]:
    """Where the pictures of gallery rows are, in their order; no picture is read.

    Raises:
        LookupError: no such gallery row.
        ValueError: damaged metadata.
    """
    columns = ("path", "offset", "size", "sha256", *ADDRESSES)
    return [_picture(gallery, record) for record in gallery.records(rows, columns)]


def _picture(gallery: Gallery, record: dict[str, Any]) -> GalleryPicture:
    root = gallery.source_of(record["row"]).get("pictures")
    path = record.get("path") if root is not None else None
    return GalleryPicture(
        row=record["row"],
        record=record,
        file=None if path is None else Path(root) / path,
        offset=record.get("offset"),
        url=next((record[name] for name in ADDRESSES if record.get(name)), None),
        max_pixels=most_pixels(gallery, record["row"]),
    )


def most_pixels(gallery: Gallery, row: int) -> int:
    """The limit that the gallery's own picture of a row has passed when it was embedded."""
    settings = gallery.source_of(row).get("settings", {})
    return settings.get("max_pixels", MOST_PIXELS)

"""Opens a gallery to search it and to see what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.pictures.download import Downloader, DownloadLimits
from mindeye.retrieval.gallery.pictures.reader import PictureReader

CAPTIONS, ADDRESSES, KEYS = ("caption", "TEXT", "text"), ("url", "URL"), ("key", "KEY", "hash")
COLUMNS = ("query", "rank", "cosine", "row", "key", "url", "path", "caption")


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """Whether and how pictures are fetched of which only the address is known."""

    fetch: bool = True
    cache: Path | None = None
    """None: `downloads` in the gallery."""
    private_addresses: bool = False


def open_reader(gallery: Gallery, fetching: Fetching) -> PictureReader:
    """Reads pictures of a gallery, and fetches what is not here."""
    downloader = None
    if fetching.fetch:
        limits = DownloadLimits(private_addresses=fetching.private_addresses)
        downloader = Downloader(fetching.cache or gallery.path / "downloads", limits)
    return PictureReader(gallery=gallery, downloader=downloader)


def answers(
    gallery: Gallery,
    query: str,
    scores: Float32[np.ndarray, "found"],
    rows: Int64[np.ndarray, "found"],
) -> list[dict[str, Any]]:
    """What was found for one query, best first: `COLUMNS`."""
    records = gallery.records(rows, (*KEYS, *ADDRESSES, "path", *CAPTIONS))
    return [
        {
            "query": query,
            "rank": rank,
            "cosine": round(float(score), 6),
            "row": int(record["row"]),
            "key": first_of(record, KEYS),
            "url": first_of(record, ADDRESSES),
            "path": record.get("path"),
            "caption": first_of(record, CAPTIONS),
        }
        for rank, (score, record) in enumerate(zip(scores, records), start=1)
    ]


def first_of(record: dict[str, Any], names: Sequence[str]) -> Any:
    """The first of some columns that holds something."""
    return next((record[name] for name in names if record.get(name) is not None), None)


def simulated_gallery(gallery: Gallery) -> dict[str, Any] | None:
    """What SIMULATED.json said of the pictures; None where they are real."""
    return gallery.about.get("simulated")

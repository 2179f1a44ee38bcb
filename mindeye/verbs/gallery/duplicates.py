"""`mindeye gallery duplicates`: of pictures that are alike only the first can be found."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.files import one_at_a_time, write_text
from mindeye.retrieval.gallery.blocks import embedding_blocks
from mindeye.retrieval.gallery.duplicates import (
    CHUNK,
    Duplicates,
    near_duplicates,
    same_pictures,
)
from mindeye.retrieval.gallery.folder import Gallery, open_gallery, write_gallery, write_kept

EXACT_UP_TO = 1_000_000
"""Vectors of which every pair is compared unless that is asked for."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class DuplicatesResult:
    """What came of it."""

    lines: list[str]
    simulated: bool


def drop_duplicates(
    path: Path, *, above: float, exact: bool = False, progress: Progress | None = None
) -> DuplicatesResult:
    """Finds duplicates among all rows that the filters left, and makes them unfindable.

    Args:
        exact: whether every pair is compared also in large galleries.

    Raises:
        ValueError: `above` is no cosine, the gallery is large and has no index, has no vector that
            can be found, or was changed meanwhile.
    """
    if not 0 < above <= 1:
        raise ValueError(f"--above {above} is no cosine of pictures alike. Choose up to 1.")
    named = open_gallery(path)
    gallery = _require_vectors(with_duplicates(named))
    index = _index_of(named, gallery, exact)
    engine = "every pair" if index is None else index.about
    work = path / "duplicates" / _identity(gallery, above, engine)
    same = same_pictures(gallery)
    without = np.zeros(gallery.num_rows, dtype=bool)
    without[same.rows] = True
    near = near_duplicates(gallery, above, without, work, index, progress)
    with one_at_a_time(path):
        if open_gallery(path) != named:
            raise ValueError(
                f"{path} was built or filtered further while its {named.num_rows:,} rows were "
                "compared, and is left as it is. Run the same command again."
            )
        told = {"above": above, "engine": engine, "same": len(same.rows), "near": len(near.rows)}
        without[near.rows] = True
        named = _without_rows(gallery, without, told)
        write_text(path / "duplicates.tsv", _table(same, near))
    shutil.rmtree(path / "duplicates", ignore_errors=True)
    return DuplicatesResult(
        lines=[
            f"same picture {len(same.rows):,}, cosine of {above} or more {len(near.rows):,} "
            f"({engine})",
            f"{named.num_kept:,} of {named.num_rows:,} vectors can be found",
            f"duplicates, and what stays for them: {path / 'duplicates.tsv'}",
        ],
        simulated=named.about["simulated"] is not None,
    )


def undo_duplicates(path: Path) -> DuplicatesResult:
    """Makes all rows findable again that the filters left."""
    open_gallery(path)  # before a lock makes the folder
    with one_at_a_time(path):
        gallery = with_duplicates(open_gallery(path))
        _write(gallery)
        (path / "duplicates.tsv").unlink(missing_ok=True)
    line = f"{gallery.num_kept:,} of {gallery.num_rows:,} vectors can be found"
    return DuplicatesResult(lines=[line], simulated=gallery.about["simulated"] is not None)


def plan_duplicates(path: Path) -> Iterator[str]:
    """What comparing every pair would cost; writes nothing."""
    gallery = _require_vectors(with_duplicates(open_gallery(path)))
    block = next(embedding_blocks(gallery)).vectors
    rows = block[:CHUNK]
    started = time.perf_counter()
    (rows @ block.T >= 1).any(1)
    seconds = (time.perf_counter() - started) / (len(rows) * len(block))
    pairs = gallery.num_kept * (gallery.num_kept - 1) // 2
    yield f"{gallery.num_kept:,} vectors, {pairs:,} pairs"
    yield f"about {seconds * pairs / 3600:.2f} hours on this machine without an index"
    yield "nothing was written"


def with_duplicates(gallery: Gallery) -> Gallery:
    """The gallery as its filters alone leave it."""
    before = gallery.about.get("duplicates", {}).get("before", [])
    restored = [
        replace(shard, kept=one["kept"] and Path(one["kept"]), num_kept=one["num_kept"])
        for shard, one in zip(gallery.shards, before, strict=False)
    ]
    # Shards that were added since have not been looked at.
    shards = (*restored, *gallery.shards[len(restored) :])
    about = {name: value for name, value in gallery.about.items() if name != "duplicates"}
    return replace(gallery, shards=shards, about=about)


def _require_vectors(gallery: Gallery) -> Gallery:
    if gallery.num_kept == 0:
        raise ValueError(
            f"None of the {gallery.num_rows:,} vectors of {gallery.path} can be found: its filters "
            "left none. Build it again with others."
        )
    return gallery


def _index_of(named: Gallery, gallery: Gallery, exact: bool):
    """What finds candidates; None compares every pair."""
    if exact or gallery.num_kept <= EXACT_UP_TO:
        return None
    from mindeye.retrieval.gallery.exact import ExactIndex
    from mindeye.retrieval.gallery.index.folder import open_index

    index = open_index(named)
    if isinstance(index, ExactIndex):
        raise ValueError(
            f"{named.path} has {gallery.num_kept:,} vectors and no index. Make one with `mindeye "
            f"gallery index {named.path}`, or pass --exact to compare every pair "
            "(--dry-run tells how long that takes)."
        )
    return index


def _identity(gallery: Gallery, above: float, engine: str) -> str:
    """Names the work: of these shards, with these rows, in this way."""
    marks = [(one.sha256, str(one.kept), one.num_kept) for one in gallery.shards]
    told = json.dumps([marks, above, engine])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _without_rows(gallery: Gallery, without: np.ndarray, told: dict[str, Any]) -> Gallery:
    shards, before = [], []
    for shard in gallery.shards:
        kept = gallery.kept_rows(shard)
        left = kept[~without[shard.first + kept]]
        path = write_kept(gallery.path, shard.name, left, shard.count)
        shards.append(replace(shard, kept=path, num_kept=len(left)))
        before.append({"kept": shard.kept and str(shard.kept), "num_kept": shard.num_kept})
    about = {**gallery.about, "duplicates": {**told, "before": before}}
    return _write(replace(gallery, shards=tuple(shards), about=about))


def _write(gallery: Gallery) -> Gallery:
    return write_gallery(
        gallery.path,
        network=gallery.network,
        width=gallery.width,
        shards=gallery.shards,
        about=gallery.about,
    )


def _table(same: Duplicates, near: Duplicates) -> str:
    lines = ["row\tstays\tcosine\twhy"]
    for duplicates, why in ((same, "same picture"), (near, "alike")):
        lines += [
            f"{row}\t{first}\t{cosine:.4f}\t{why}"
            for row, first, cosine in zip(*duplicates, strict=True)
        ]
    return "\n".join(lines) + "\n"

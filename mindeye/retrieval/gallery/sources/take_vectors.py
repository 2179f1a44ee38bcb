"""One shard of embeddings that others made: checked, and named where it lies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from mindeye.retrieval.gallery.folder import MANIFEST, GalleryShard, open_gallery, write_kept
from mindeye.retrieval.gallery.sources.building import Building, BuiltShard
from mindeye.retrieval.gallery.sources.filters import GalleryFilters, kept_rows
from mindeye.retrieval.gallery.sources.vector_files import (
    CheckedVectors,
    check_vectors,
    checksum_of,
    open_vectors,
    require_same_network,
    unit,
    write_normalised,
)

# Rows that tell the mean of the first shard.
_SAMPLE = 4096
_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class TakingConfig:
    """How strictly files of embeddings are read."""

    normalise: bool = False
    """Whether vectors of another length are copied at length 1, instead of refused."""
    drop_broken: bool = False
    """Whether rows that are not finite are made unfindable, instead of refused."""
    quick: bool = False
    """Whether only samples of each file are read."""


def take_shard(
    building: Building,
    number: int,
    filters: GalleryFilters,
    config: TakingConfig,
    progress: Callable[[int], None] | None = None,
) -> BuiltShard:
    """Checks one shard and says what the gallery is to know of it.

    Args:
        progress: is told how many bytes of the shard have been read so far.

    Raises:
        ValueError: another width or network, not at length 1, not finite, cut off, metadata of
            another length.
        LookupError: a filter needs a column that is not there.
    """
    shard = building.source.shards[number]
    path, name = building.source.root / shard.files[0], building.name_of(number)
    checked = check_vectors(path, quick=config.quick, progress=progress)
    if checked.width != building.width:
        raise ValueError(
            f"{path} has vectors of {checked.width} numbers, the gallery {building.width}. "
            "Vectors of two networks cannot be compared: keep them in galleries of their own."
        )
    require_same_network(path, checked.mean, reference_mean(building))
    _require_finite(path, checked, config)
    metadata = building.source.root / shard.metadata if shard.metadata else None
    kept = kept_rows(metadata, checked.count, filters, must_know_safety=True)
    rows = np.setdiff1d(kept.rows, checked.not_finite, assume_unique=True)
    dropped = dict(kept.dropped)
    if len(checked.not_finite):
        dropped["not finite"] = len(kept.rows) - len(rows)
    embeddings, checksum = path, checked.checksum
    if checked.not_unit:
        embeddings, checksum = _normalised(building, path, name, checked, config)
    return BuiltShard(
        shard=GalleryShard(
            name=name,
            first=0,
            count=checked.count,
            num_kept=len(rows),
            embeddings=embeddings,
            metadata=metadata,
            metadata_bytes=metadata.stat().st_size if metadata else None,
            kept=write_kept(building.out, name, rows, checked.count),
            sha256=checksum,
        ),
        skipped={},
        dropped=dropped,
    )


def reference_mean(building: Building) -> Float64[np.ndarray, "width"]:
    """The mean of the first vectors of the gallery, or of the source where there is none yet."""
    first = building.source.root / building.source.shards[0].files[0]
    if (building.out / MANIFEST).is_file():
        gallery = open_gallery(building.out)
        first = gallery.path / gallery.shards[0].embeddings
    return unit(np.array(open_vectors(first)[:_SAMPLE])).mean(0, dtype=np.float64)


def _require_finite(path: Path, checked: CheckedVectors, config: TakingConfig) -> None:
    broken = checked.not_finite
    if len(broken) and not config.drop_broken:
        named = ", ".join(map(str, broken[:_NAMED])) + (", ..." if len(broken) > _NAMED else "")
        raise ValueError(
            f"{path}: {len(broken)} of {checked.count} vectors are not finite or zero (rows "
            f"{named}). Fetch the file again, or pass --drop-broken to leave these rows out."
        )


def _normalised(
    building: Building, path: Path, name: str, checked: CheckedVectors, config: TakingConfig
) -> tuple[Path, str]:
    if not config.normalise:
        raise ValueError(
            f"{path}: {checked.not_unit} of {checked.count} vectors do not have length 1 (the "
            f"furthest {checked.extreme_norm:.3g}). Search needs unit vectors: pass --normalise "
            "to write normalised copies into the gallery."
        )
    relative = Path("embeddings") / f"{name}.npy"
    write_normalised(path, building.out / relative)
    return relative, checksum_of(building.out / relative, checked.checksum)

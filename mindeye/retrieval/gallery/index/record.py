"""What an index says of itself: whose vectors, which settings, what was measured."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mindeye.files import read_json, write_json
from mindeye.retrieval.gallery.folder import Gallery

RECORD = "index.json"


@dataclass(frozen=True, kw_only=True)
class IndexRecord:
    """What `index.json` holds."""

    kind: str
    network: str
    width: int
    shards: list[dict[str, Any]]
    """See `shard_marks`."""
    settings: dict[str, Any]
    """What the index's bytes depend on, beside the shards."""
    trained_for: int
    """Vectors that the number of lists was chosen for."""
    probes: int
    candidates: int
    recall: float
    """That the two give with the queries below; may be less than what was asked for."""
    asked: float
    measured: list[dict[str, Any]]
    """Rows of `Measured`."""
    measured_with: str
    """Which queries."""
    files: dict[str, dict[str, Any]]
    """Name -> sha256, bytes."""

    @property
    def lines(self) -> list[str]:
        """What was measured, for the screen."""
        chosen = (self.probes, self.candidates)
        rows = [row for row in self.measured if row["candidates"] == self.candidates]
        lines = [f"probes  candidates  recall@16  ms a query, measured with {self.measured_with}"]
        for row in rows:
            mark = "  <- chosen" if (row["probes"], row["candidates"]) == chosen else ""
            lines.append(
                f"{row['probes']:6}  {row['candidates']:10}  {row['recall']:9.3f}  "
                f"{row['ms_per_query']:.2f}{mark}"
            )
        if self.recall < self.asked:
            lines.append(
                f"warning: no setting reached the recall of {self.asked:g} that was asked for"
            )
        size = sum(one["bytes"] for one in self.files.values())
        vectors = max(1, sum(one["num_kept"] for one in self.shards))
        lines.append(f"{size:,} bytes, {size / vectors:.1f} a vector")
        return lines


def shard_marks(gallery: Gallery) -> list[dict[str, Any]]:
    """What tells shards and their kept rows, whose files are named by content, from others."""
    return [
        {
            "name": one.name,
            "first": one.first,
            "count": one.count,
            "num_kept": one.num_kept,
            "kept": None if one.kept is None else str(one.kept),
            "sha256": one.sha256,
        }
        for one in gallery.shards
    ]


def identity_of(marks: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    return _digest({"shards": marks, "settings": settings})


def read_record(folder: Path) -> IndexRecord:
    """What an index says of itself.

    Raises:
        ValueError: the file is missing, damaged, or something else's.
    """
    try:
        return IndexRecord(**read_json(folder / RECORD))
    except (FileNotFoundError, TypeError) as error:
        raise ValueError(
            f"{folder / RECORD} is missing, or not what `mindeye gallery index` writes. Delete the "
            "folder `index` of this gallery, and run `mindeye gallery index` again."
        ) from error


def write_record(folder: Path, record: IndexRecord) -> None:
    write_json(folder / RECORD, asdict(record))


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

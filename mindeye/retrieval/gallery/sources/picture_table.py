"""Metadata of embedded pictures: what is known of the file, and what the source says of it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from mindeye.files import atomic_path
from mindeye.retrieval.gallery.metadata import open_table
from mindeye.retrieval.gallery.pictures.decoding import DecodedPicture

OURS = {
    "key": pa.string(),
    "path": pa.string(),
    "offset": pa.int64(),
    "size": pa.int64(),
    "sha256": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "caption": pa.string(),
    "url": pa.string(),
}
"""Columns that every gallery of pictures has."""
GROUP_ROWS = 1000
"""Of a row group: so much is read to know of one picture."""
_PLAIN = (str, bool, int, float)


def row_of(picture: DecodedPicture, told: Mapping[str, Any]) -> dict[str, Any]:
    """One row: what is known of the picture, then what its source tells in plain values."""
    encoded = picture.encoded
    told = {**told, **encoded.told}
    further = {name: one for name, one in told.items() if isinstance(one, _PLAIN)}
    ours = {
        "key": encoded.key,
        "path": encoded.path,
        "offset": encoded.offset,
        "size": encoded.size,
        "sha256": picture.sha256,
        "width": picture.width,
        "height": picture.height,
        "caption": _text(told.get("caption")),
        "url": _text(told.get("url", told.get("URL"))),
    }
    return {**further, **ours}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a parquet file; further columns are ordered by name, the same bytes each time."""
    further = sorted({name for row in rows for name in row} - OURS.keys())
    columns = {
        name: pa.array([row.get(name) for row in rows], type=kind) for name, kind in OURS.items()
    }
    for name in further:
        columns[name] = _column([row.get(name) for row in rows])
    with atomic_path(path) as temporary:
        parquet.write_table(pa.table(columns), temporary, row_group_size=GROUP_ROWS)


def _column(values: list[Any]) -> pa.Array:
    """Of the values' own type; where they have several, as text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return pa.array([None if one is None else float(one) for one in values])
    try:
        if len(kinds) <= 1:
            return pa.array(values)
    except (pa.ArrowException, OverflowError):  # whole numbers beyond 64 bits
        pass
    return pa.array(
        [one if one is None or isinstance(one, str) else json.dumps(one) for one in values],
        type=pa.string(),
    )


def told_by_key(path: Path) -> dict[str, dict[str, Any]]:
    """Key -> row of img2dataset's parquet file beside a tar.

    Raises:
        ValueError: it cannot be read, or has no column `key`.
    """
    with open_table(path) as file:
        if "key" not in file.schema_arrow.names:
            raise ValueError(
                f"{path} has no column `key`, so its rows belong to no picture. Was it written by "
                "img2dataset? Read the tars alone with --form webdataset."
            )
        return {str(row["key"]): row for row in file.read().to_pylist()}

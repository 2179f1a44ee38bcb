"""What a gallery knows of a vector beside its numbers: rows of parquet files."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from jaxtyping import Int


def table_rows(
    path: Path, rows: Int[np.ndarray, "rows"], columns: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Some rows of a parquet file in their order, equal ones as often as they are asked for.

    Args:
        columns: of these, those that the file has; None: all. Each costs the decoding of the row
            groups that hold a row.

    Raises:
        ValueError: it cannot be read, or is shorter than asked for.
    """
    with open_table(path) as file:
        groups = file.metadata
        ends = np.cumsum([groups.row_group(n).num_rows for n in range(groups.num_row_groups)])
        if len(rows) and rows.max() >= groups.num_rows:
            raise ValueError(
                f"{path} has {groups.num_rows} rows, but row {rows.max()} is asked for. Was it "
                "replaced since the gallery was built? Build the gallery again."
            )
        found: list[dict[str, Any]] = [{} for _ in rows]
        names = [one for one in file.schema_arrow.names if columns is None or one in columns]
        if not names:
            return found
        group_of = np.searchsorted(ends, rows, side="right")
        for group in np.unique(group_of).tolist():
            places = np.flatnonzero(group_of == group)
            first = int(ends[group - 1]) if group else 0
            table = file.read_row_group(group, names).take(pa.array(rows[places] - first))
            for place, one in zip(places, table.to_pylist(), strict=True):
                found[place] = one
    return found


def open_table(path: Path) -> parquet.ParquetFile:
    """Opens a parquet file; close it, or use it as a context.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no parquet file, or was cut off.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: it holds a gallery's metadata. Restore it, or build again."
        )
    try:
        return parquet.ParquetFile(path)
    except pa.ArrowException as error:
        raise ValueError(
            f"{path} is no readable parquet file ({error}). Was it cut off? Restore it."
        ) from error

"""MOSAIC's table of pictures: which one is for training or the test, and how often who saw it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
from jaxtyping import Bool, Int

from mindeye import mosaic_layout as layout

_COLUMNS = ("filename", "source", "test_train")


class StimulusTable(NamedTuple):
    """One row for each picture, sorted by file name: the row is the image id."""

    path: Path
    names: list[str]
    is_test: Bool[np.ndarray, "images"]
    is_artificial: Bool[np.ndarray, "images"]
    showings: Int[np.ndarray, "images"]
    """To the subject that was asked for."""


def read_stimulus_table(path: Path, subject: int) -> StimulusTable:
    """Reads a `*_stiminfo.tsv`.

    Raises:
        FileNotFoundError: no such file.
        LookupError: the table does not know the subject.
        ValueError: columns are missing, cells are blank, or a picture stands twice.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Fetch the table of the data set ({', '.join(_table_names())}) "
            "from MOSAIC's folder stimulus_info."
        )
    reps = f"sub-{subject:02d}_reps"
    try:
        # Names may look like numbers or like missing values; nothing here is missing.
        table = pandas.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error
    absent = [name for name in _COLUMNS if name not in table]
    if absent:
        raise ValueError(
            f"{path} has no column {', '.join(absent)}; it has {', '.join(table.columns[:6])}. "
            "Is this MOSAIC's table of pictures?"
        )
    if reps not in table:
        known = [name for name in table.columns if name.endswith("_reps")]
        raise LookupError(
            f"{path} has no column {reps}; it knows {', '.join(known)}. "
            "Is this the table of another data set?"
        )
    table = table.sort_values("filename", ignore_index=True)
    _require_whole(path, table, reps)
    return StimulusTable(
        path,
        table["filename"].tolist(),
        (table["test_train"] == "test").to_numpy(bool),
        table["source"].isin(layout.ARTIFICIAL_SOURCES).to_numpy(bool),
        table[reps].to_numpy().astype(np.int64),
    )


def _table_names() -> list[str]:
    return [one.table for one in layout.SETS.values()]


def _require_whole(path: Path, table: pandas.DataFrame, reps: str) -> None:
    twice = table["filename"][table["filename"].duplicated()].tolist()
    if twice:
        raise ValueError(
            f"{path}: {twice[0]} stands in {twice.count(twice[0]) + 1} rows. Each picture has one "
            "row: was the table pasted together?"
        )
    wrong = (
        (table["filename"] == "")
        | ~table["test_train"].isin(["train", "test"])
        | ~table[reps].str.fullmatch(r"\d+")
    )
    if wrong.any():
        row = table[wrong].iloc[0]
        raise ValueError(
            f"{path}: the row of `{row['filename']}` says test_train `{row['test_train']}` and "
            f"{reps} `{row[reps]}`, but train or test and a number are needed. Was it edited?"
        )

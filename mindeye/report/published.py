"""Published rows for context: who printed which number, of which test, and how sure that is."""

import csv
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

COLUMNS = ("PixCorr", "SSIM", "Alex(2)", "Alex(5)", "Incep", "CLIP", "Eff", "SwAV")
"""As the papers call them; `MetricFacts.column` says which metric each is."""
EXCHANGED = (
    "Image retrieval means: given the brain, find the image. The published code, and all that "
    "follow it, print the two directions exchanged: here each stands under its right name, so that "
    "the printed `Image` column is brain retrieval. Top-1 of 300."
)
MARKS = {
    "P": "read in the paper",
    "C": "read in published code or notebook outputs",
    "S": "read in a secondary source",
}


class PublishedRow(NamedTuple):
    """One row of a published table; None where it has no number."""

    system: str
    data: str
    subjects: str
    test_set: str
    values: dict[str, float | None]
    image_retrieval: float | None
    """Given the brain, find the image: printed in the column of the other direction."""
    brain_retrieval: float | None
    mark: str
    source: str


def published_rows() -> list[PublishedRow]:
    """All rows, in the order of the file."""
    text = files("mindeye.report").joinpath("published_rows.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [_row(record) for record in csv.DictReader(lines, delimiter="\t")]


def published_cells(columns: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text, with those of `COLUMNS` that are asked for, and retrieval.

    Rows without any of these numbers are left out.
    """
    header = ["system", "data", "subjects", "test", *columns, "image retr.", "brain retr."]
    header += ["mark", "source"]
    cells = [
        [
            row.system,
            row.data or "not stated",
            row.subjects or "not stated",
            row.test_set,
            *(_text(row.values[column]) for column in columns),
            _text(row.image_retrieval),
            _text(row.brain_retrieval),
            row.mark,
            row.source,
        ]
        for row in published_rows()
        if any(one is not None for one in (*map(row.values.get, columns), row.image_retrieval))
    ]
    return header, cells


def _row(record: dict[str, str]) -> PublishedRow:
    return PublishedRow(
        system=record["system"],
        data=record["data"],
        subjects=record["subjects"],
        test_set=record["test set"],
        values={column: _number(record[column]) for column in COLUMNS},
        image_retrieval=_number(record["brain printed"]),
        brain_retrieval=_number(record["image printed"]),
        mark=record["mark"],
        source=record["source"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _text(value: float | None) -> str:
    """As many decimals as were printed, three or four."""
    return "" if value is None else f"{value:.4f}".removesuffix("0")

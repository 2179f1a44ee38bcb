"""Which rows of a source may be found: safety, watermark, likeness of caption, licence.

Names of the columns: LAION-400M, LAION-2B-en and LAION-5B (with the joined safety scores),
Re-LAION and img2dataset's copies of them; capitals do not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from mindeye.retrieval.gallery.metadata import open_table

UNSAFE = ("punsafe", "p_unsafe", "unsafe")
SAFE_WORD = ("nsfw",)
WATERMARK = ("pwatermark", "p_watermark", "watermark")
SIMILARITY = ("similarity",)
LICENCE = ("license", "licence")
SAFE = "UNLIKELY"
"""Of UNLIKELY, UNSURE and NSFW, the word that lets a picture pass."""

# Rows of metadata that are judged at once.
BLOCK = 65_536


@dataclass(frozen=True, kw_only=True)
class GalleryFilters:
    """What is left out; a row whose value is missing is left out too."""

    keep_unsafe: bool = False
    """Do not look at safety at all."""
    max_unsafe: float = 0.5
    """Of the probability that a picture is not safe for work."""
    max_watermark: float | None = None
    min_similarity: float | None = None
    """Of picture and caption, as the source measured it."""
    licences: tuple[str, ...] | None = None
    """Only these."""

    def __post_init__(self) -> None:
        for name in ("max_unsafe", "max_watermark"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}, a probability. Choose from 0 to 1.")
        least = self.min_similarity
        if least is not None and not -1 <= least <= 1:
            raise ValueError(f"min_similarity is {least}, a cosine. Choose from -1 to 1.")


@dataclass(frozen=True)
class Kept:
    """Rows that the filters left, and how many each has taken."""

    rows: Int[np.ndarray, "_kept"]
    dropped: dict[str, int]
    """A row that several filters refuse counts for the first of them."""


def kept_rows(
    path: Path | None, count: int, filters: GalleryFilters, *, must_know_safety: bool
) -> Kept:
    """Judges the rows of one file of metadata.

    Args:
        path: parquet; None where there is none.
        must_know_safety: whether a source that says nothing of safety is refused.

    Raises:
        LookupError: a column that a filter needs is missing.
        ValueError: the file is damaged, or has another number of rows than there are vectors.
    """
    if path is None:
        judges = _judges([], filters, must_know_safety, "The source, which has no metadata,")
        return Kept(np.arange(count), dict.fromkeys(judges, 0))
    with open_table(path) as file:
        if file.metadata.num_rows != count:
            raise ValueError(
                f"{path} has {file.metadata.num_rows} rows, but there are {count} vectors. "
                "Do both belong together? Fetch them again; what is built already is intact."
            )
        judges = _judges(file.schema_arrow.names, filters, must_know_safety, str(path))
        dropped, rows = dict.fromkeys(judges, 0), []
        if not judges:
            return Kept(np.arange(count), dropped)
        first, columns = 0, sorted({column for column, _ in judges.values()})
        for batch in file.iter_batches(BLOCK, columns=columns):
            passed = np.ones(len(batch), dtype=bool)
            for name, (column, judge) in judges.items():
                good = judge(batch.column(column).to_pandas())
                dropped[name] += int((passed & ~good).sum())
                passed &= good
            rows.append(first + np.flatnonzero(passed))
            first += len(batch)
    return Kept(np.concatenate(rows) if rows else np.arange(0), dropped)


Judge = Callable[[pd.Series], Bool[np.ndarray, "_rows"]]


def _judges(
    columns: list[str], filters: GalleryFilters, must_know_safety: bool, what: str
) -> dict[str, tuple[str, Judge]]:
    """Name of a filter -> the column that it reads, and what it lets pass."""
    judges: dict[str, tuple[str, Judge]] = {}
    if not filters.keep_unsafe:
        judges |= _safety(columns, filters.max_unsafe, must_know_safety, what)
    for name, value, columns_of, judge in (
        ("watermark", filters.max_watermark, WATERMARK, _at_most),
        ("similarity", filters.min_similarity, SIMILARITY, _at_least),
        ("licence", filters.licences, LICENCE, _one_of),
    ):
        if value is None:
            continue
        column = _find(columns, columns_of)
        if column is None:
            raise LookupError(
                f"{what} has no column {' or '.join(columns_of)}, but a filter needs it "
                f"({name}). Its columns: {', '.join(columns) or 'none'}. Leave that filter out."
            )
        judges[name] = (column, judge(value))
    return judges


def _safety(
    columns: list[str], max_unsafe: float, must_know: bool, what: str
) -> dict[str, tuple[str, Judge]]:
    number, word = _find(columns, UNSAFE), _find(columns, SAFE_WORD)
    if number is not None:
        return {"unsafe": (number, _at_most(max_unsafe))}
    if word is not None:
        return {"unsafe": (word, _one_of((SAFE,)))}
    if must_know:
        raise LookupError(
            f"{what} says nothing of safety (no column {', '.join((*UNSAFE, *SAFE_WORD))}; it has "
            f"{', '.join(columns) or 'none'}). Pass --keep-unsafe to keep everything."
        )
    return {}


def _find(columns: list[str], wanted: tuple[str, ...]) -> str | None:
    names = {name.lower(): name for name in reversed(columns)}
    return next((names[name] for name in wanted if name in names), None)


# Comparisons with a missing value are false, so that it does not pass.
def _at_most(limit: float) -> Judge:
    return lambda values: (pd.to_numeric(values, errors="coerce") <= limit).to_numpy(dtype=bool)


def _at_least(limit: float) -> Judge:
    return lambda values: (pd.to_numeric(values, errors="coerce") >= limit).to_numpy(dtype=bool)


def _one_of(words: tuple[Any, ...]) -> Judge:
    wanted = {str(word).strip().lower() for word in words}
    return lambda values: np.array(
        [isinstance(one, str) and one.strip().lower() in wanted for one in values], dtype=bool
    )

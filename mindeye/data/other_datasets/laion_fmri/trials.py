"""The table of one session: which image each volume of betas belongs to."""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mindeye import laion_layout as layout

_TOO_MANY = "cells beyond the header"
_BLANK = ("", "nan", "n/a", "na", "none", "blank")


class SessionTrials(NamedTuple):
    """One entry a volume of betas, in their order."""

    session: int
    runs: tuple[int, ...]
    labels: tuple[str | None, ...]
    """Name of the image; None where a row names none."""

    @property
    def num_unlabelled(self) -> int:
        return sum(label is None for label in self.labels)


def read_trials(path: Path, subject: int, session: int) -> SessionTrials:
    """Reads and checks a session's table.

    The published tables leave out blank trials; rows without an image are kept here as None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: lacking columns, a broken row, an index that does not count the rows, rows of
            another session or participant, or an image name of neither kind.
    """
    rows = _read_rows(path)
    for line, row in enumerate(rows, start=2):
        if _number(row["session"], "ses") != session:
            raise ValueError(
                f"{path}: line {line} is of session `{row['session']}`, but the file of session "
                f"{session}. Was it renamed?"
            )
    _require_indices(path, [row["beta_index"].strip() for row in rows])
    runs = [_number(row["run"], "run") for row in rows]
    for line, run in enumerate(runs, start=2):
        if run is None or not 1 <= run <= layout.RUNS_PER_SESSION:
            raise ValueError(
                f"{path}: line {line} has run `{rows[line - 2]['run']}`, but runs count from 1 to "
                f"{layout.RUNS_PER_SESSION}. Fetch the file again."
            )
    labels = [_label(row["label"]) for row in rows]
    for line, label in enumerate(labels, start=2):
        if label is not None:
            require_own_or_shared(label, subject, f"{path}: line {line}")
    return SessionTrials(session, tuple(runs), tuple(labels))


def require_own_or_shared(label: str, subject: int, where: str) -> None:
    """Refuses names of images that this subject cannot have seen.

    Raises:
        ValueError: a name of neither kind, or another participant's own image.
    """
    if label.startswith(layout.SHARED_PREFIX):
        return
    if not label.startswith(layout.OWN_PREFIX):
        raise ValueError(
            f"{where} names image `{label}`, which is neither `{layout.SHARED_PREFIX}...` nor "
            f"`{layout.OWN_PREFIX}...`. Is it LAION-fMRI's?"
        )
    suffix = re.search(r"_(p\d\d)\.\w+$", label)
    if suffix is None or suffix[1] != layout.PARTICIPANTS[subject]:
        others = {name: number for number, name in layout.PARTICIPANTS.items()}
        whose = others.get(suffix[1]) if suffix else None
        guess = f"It is one of subject {whose}'s." if whose else "Whose is it?"
        raise ValueError(
            f"{where} names image `{label}`, but those of subject {subject} alone end in "
            f"`_{layout.PARTICIPANTS[subject]}`. {guess} Was the file renamed?"
        )


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch it with the betas of that session.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t", restkey=_TOO_MANY)
            absent = [
                name for name in layout.TRIAL_COLUMNS if name not in (reader.fieldnames or ())
            ]
            if absent:
                raise ValueError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ())}; "
                    f"{', '.join(absent)} is missing. Is it the table of single-trial betas?"
                )
            rows = list(reader)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} cannot be read ({error}). Fetch it again.") from error
    for line, row in enumerate(rows, start=2):
        if None in row.values() or _TOO_MANY in row:
            raise ValueError(
                f"{path}: line {line} has another number of cells than the header. "
                "Was the file cut off? Fetch it again."
            )
    if not rows:
        raise ValueError(f"{path} has no rows. Was it cut off? Fetch it again.")
    return rows


def _require_indices(path: Path, cells: list[str]) -> None:
    """`beta_index` must count the rows from 0: only then both ways to read the table agree."""
    for cell, count in Counter(cells).items():
        if count > 1:
            lines = [line for line, other in enumerate(cells, start=2) if other == cell]
            raise ValueError(
                f"{path}: beta_index {cell} stands in lines {lines}. Each volume of betas has one "
                "row: fetch the file again."
            )
    for row, cell in enumerate(cells):
        if _number(cell) != row:
            raise ValueError(
                f"{path}: line {row + 2} has beta_index `{cell}`, not {row}; it counts the volumes "
                "from 0. Was the table sorted or cut? Fetch it again."
            )


def _number(cell: str, prefix: str = "") -> int | None:
    """`7`, `07` or `run-07` -> 7; None for anything else."""
    found = re.fullmatch(rf"(?:{prefix}-)?(\d+)", cell.strip()) if prefix else None
    found = found or re.fullmatch(r"(\d+)", cell.strip())
    return int(found[1]) if found else None


def _label(cell: str) -> str | None:
    name = cell.strip()
    return None if name.lower() in _BLANK else name

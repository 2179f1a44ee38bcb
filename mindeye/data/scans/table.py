"""The table of a scan's trials: which image was shown when."""

import csv
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# Our name of a column -> what tables call it, in lower case; the first that is there counts.
_COLUMNS: Mapping[str, str] = {
    "trial": "trial",
    "image_id": "image_id nsdid nsd_id",
    "image_id_from_one": "73kid",
    "session": "session",
    "run": "run",
    "repeat": "repeat",
    "name": "name condition trial_type image image_name stim_file stimulus label",
    "split": "split",
    "file": "file path filename",
}
NO_IMAGE = ("", "nan", "n/a", "na", "none", "blank", "blank.jpg", "blank.png")
_BIDS_PREFIXES = {"session": "ses-", "run": "run-"}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One row of a table; None where the table does not say."""

    trial: int
    """Its number as the table has it; without one, the row counted from 0."""
    image_id: int | None = None
    """Counted from 0."""
    session: int | None = None
    run: int | None = None
    repeat: int = 0
    """How often this scan showed the image before."""
    name: str | None = None
    """Condition or name of the image, as the table has it."""
    split: str | None = None
    file: str | None = None

    @property
    def image(self) -> int | str | None:
        """What tells the image: its id, or else its name; None for a blank."""
        return self.name if self.image_id is None else self.image_id


@dataclass(frozen=True, kw_only=True)
class TrialTable:
    """One row a trial, in the order of the betas."""

    rows: tuple[Trial, ...]
    source: str | None = None
    """The file it was read from; None where trials were only counted."""
    dropped: tuple[int, ...] = ()
    """Lines of that file (from 1) without an image, for which there are no betas either."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def image_ids(self) -> tuple[int | None, ...]:
        return tuple(row.image_id for row in self.rows)


@dataclass(frozen=True)
class Line:
    number: int
    cells: Mapping[str, str]


def counted_trials(count: int) -> TrialTable:
    """A table that knows nothing but the number of trials."""
    return TrialTable(rows=tuple(Trial(trial=number) for number in range(count)))


def read_table(path: Path, num_trials: int) -> TrialTable:
    """A tsv or csv table with a header, one row a trial.

    Lines without an image are dropped if the scan has no betas for them, as GLMs leave out blanks;
    `dropped` names them. Columns: `image_id` (from 0) or NSD's `73KID` (from 1), or `name`;
    optional `trial`, `session`, `run`, `repeat`, `split`, `file`; upper or lower case.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no usable column, a cell that is no number, a trial that stands twice, an image
            in two splits, or another number of rows than trials.
    """
    lines, columns = read_lines(path)
    if not columns.keys() & {"image_id", "image_id_from_one", "name", "file"}:
        raise ValueError(
            f"{path} has the columns {', '.join(lines[0].cells) if lines else 'of no row'}, and "
            "none says which image was shown. Add `image_id` (counted from 0) or `name`."
        )
    kept, dropped = lines, ()
    if len(lines) != num_trials:
        kept = [line for line in lines if not is_blank(line, columns)]
        dropped = tuple(line.number for line in lines if is_blank(line, columns))
    if len(kept) != num_trials:
        blank = f" ({len(dropped)} of them without an image)" if dropped else ""
        raise ValueError(
            f"{path} has {len(lines)} rows{blank}, but the scan has {num_trials} trials. Give one "
            "row for every trial, in the order of the betas."
        )
    rows = [trial_of(path, line, columns, number) for number, line in enumerate(kept)]
    _refuse_repeated(path, kept, rows)
    _refuse_images_in_two_splits(path, rows)
    return TrialTable(rows=with_repeats(rows, columns), source=path.name, dropped=dropped)


def files_of_table(path: Path) -> list[str]:
    """The column `file`, top to bottom: the order of a scan that has one file a trial.

    Raises:
        FileNotFoundError: no such table.
        ValueError: no column `file`, or a file that stands twice.
    """
    lines, columns = read_lines(path)
    if "file" not in columns:
        raise ValueError(
            f"{path} has no column `file`, and names of files do not tell the order of trials. Add "
            "`file` with the name of each trial's volume."
        )
    names = [line.cells[columns["file"]] for line in lines]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"{path} names {len(twice)} files more than once, first {twice[0]!r}. "
            "Each trial has a volume of its own."
        )
    return names


def read_lines(path: Path) -> tuple[list[Line], dict[str, str]]:
    """Non-empty lines as cells by column, and our name of a column -> the table's."""
    if not path.is_file():
        raise FileNotFoundError(f"The table {path} is missing. Give a tsv or csv file.")
    try:
        # Byte order marks and Windows line ends are no part of a table.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text ({error}). Give a tsv or csv table.") from error
    if not lines or not lines[0].strip():
        raise ValueError(f"{path} has no header. Its first line names the columns.")
    separator = "\t" if "\t" in lines[0] else ","
    header = _cells(lines[0], separator)
    while lines and not lines[-1].strip():
        lines.pop()
    found = []
    for number, line in enumerate(lines[1:], start=2):
        cells = _cells(line, separator) if line.strip() else []
        if cells and len(cells) != len(header):
            raise ValueError(
                f"{path} line {number} has {len(cells)} cells, but the header has {len(header)}. "
                "Was the table cut off?"
            )
        found.append(Line(number, dict(zip(header, cells or [""] * len(header)))))
    lower = {name.lower(): name for name in reversed(header)}
    columns = {
        ours: next(lower[name] for name in names.split() if name in lower)
        for ours, names in _COLUMNS.items()
        if any(name in lower for name in names.split())
    }
    return found, columns


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def is_blank(line: Line, columns: Mapping[str, str]) -> bool:
    """Whether no image is named; a table of files alone has no blanks but empty lines."""
    telling = [columns[key] for key in ("image_id", "image_id_from_one", "name") if key in columns]
    cells = [line.cells[name] for name in telling] or list(line.cells.values())
    return all(cell.lower() in NO_IMAGE for cell in cells)


def trial_of(path: Path, line: Line, columns: Mapping[str, str], number: int) -> Trial:
    def whole(key: str) -> int | None:
        if key not in columns or line.cells[columns[key]].lower() in NO_IMAGE:
            return None
        cell = line.cells[columns[key]].removeprefix(_BIDS_PREFIXES.get(key, ""))
        if not re.fullmatch(r"-?\d+(\.0*)?", cell):
            raise ValueError(
                f"{path} line {line.number} has {cell!r} in column `{columns[key]}`. "
                "A whole number is needed."
            )
        return math.floor(float(cell))

    def text(key: str) -> str | None:
        return (line.cells[columns[key]] or None) if key in columns else None

    image_id, from_one = whole("image_id"), whole("image_id_from_one")
    if image_id is None and from_one is not None:
        image_id = from_one - 1
    if image_id is not None and image_id < 0:
        raise ValueError(
            f"{path} line {line.number} has image id {image_id}. Ids count from 0 (73KID from 1)."
        )
    name = text("name")
    told = whole("trial")
    return Trial(
        trial=number if told is None else told,
        image_id=image_id,
        session=whole("session"),
        run=whole("run"),
        repeat=whole("repeat") or 0,
        name=None if name is not None and name.lower() in NO_IMAGE else name,
        split=text("split"),
        file=text("file"),
    )


def _refuse_repeated(path: Path, lines: Sequence[Line], rows: Sequence[Trial]) -> None:
    """Trials count from the start, or anew in every session or run: together they are unique."""
    first: dict[tuple, int] = {}
    for line, row in zip(lines, rows):
        key = (row.session, row.run, row.trial)
        if key in first:
            raise ValueError(
                f"{path} lines {first[key]} and {line.number} are the same trial ({row.trial} of "
                f"session {row.session}, run {row.run}). Delete one, or number trials in a "
                "column `trial`."
            )
        first[key] = line.number


def _refuse_images_in_two_splits(path: Path, rows: Sequence[Trial]) -> None:
    """An image has one split."""
    split_of: dict[int | str, str | None] = {}
    for row in rows:
        if row.image is not None and split_of.setdefault(row.image, row.split) != row.split:
            raise ValueError(
                f"{path} has image {row.image} in the splits {split_of[row.image]} and "
                f"{row.split}. An image belongs to one split, with all its repeats."
            )


def with_repeats(rows: Sequence[Trial], columns: Mapping[str, str]) -> tuple[Trial, ...]:
    """Repeats as the table counts them, or else as they follow from the images."""
    if "repeat" in columns:
        return tuple(rows)
    shown: Counter = Counter()
    counted = []
    for row in rows:
        counted.append(replace(row, repeat=shown[row.image] if row.image is not None else 0))
        shown[row.image] += 1
    return tuple(counted)

"""What was shown when, from a run's events.tsv."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mindeye.data.scans.series.runs import RunFiles
from mindeye.data.scans.series.timing import Timing
from mindeye.data.scans.table import NO_IMAGE, Line, Trial, is_blank, read_lines, trial_of

# Columns that may name the image, in the order in which they are believed: BIDS has `stim_file`
# for it, and `trial_type` is mostly a condition.
_NAMES = ("stim_file", "stimulus", "image", "image_name", "name", "condition", "trial_type")
_IDS = ("image_id", "image_id_from_one")
_KIND = "trial_type"


@dataclass(frozen=True, kw_only=True)
class RunEvents:
    """Trials by onset, whatever the order of the lines."""

    trials: tuple[Trial, ...]
    onsets_s: Float[np.ndarray, "trials"]
    durations_s: Float[np.ndarray, "trials"]
    others: Mapping[str, tuple[tuple[float, float], ...]]
    """Trial type of events without an image, such as button presses -> onsets and durations."""


def read_events(run: RunFiles, timing: Timing) -> RunEvents:
    """The trials of a run: lines that name an image.

    Lines without one are modelled by their trial type, where they have any; else they are rest.

    Raises:
        ValueError: no trial, no usable column, an onset or duration that is no time, an event
            after the end of the scan, or two trials at once.
    """
    path = run.events
    lines, columns = read_lines(path)
    if not lines:
        raise ValueError(f"{path} has no event. Without trials there are no betas to estimate.")
    header = {name.lower(): name for name in reversed(lines[0].cells)}
    columns = _naming_images(columns, header, lines)
    _require_columns(path, header, columns)
    # Where there are ids, what has none is no trial, whatever its type is called.
    telling = {ours: name for ours, name in columns.items() if ours in _IDS} or columns
    found, others = [], {}
    for line in lines:
        onset, duration = (line.cells[header[name]] for name in ("onset", "duration"))
        if not is_blank(line, telling):
            times = _seconds(path, line, "onset", onset), _seconds(path, line, "duration", duration)
            _require_within(path, line, *times, timing)
            found.append((*times, line))
        elif (kind := line.cells.get(header.get(_KIND), "")).lower() not in NO_IMAGE:
            # Of a button press, BIDS may not know how long it was.
            length = (
                0.0 if duration.lower() == "n/a" else _seconds(path, line, "duration", duration)
            )
            others.setdefault(kind, []).append((_seconds(path, line, "onset", onset), length))
    if not found:
        raise ValueError(f"None of the {len(lines)} events of {path} names an image. Add them.")
    found.sort(key=lambda one: one[0])
    _refuse_simultaneous(path, found)
    trials = (trial_of(path, line, columns, row) for row, (_, _, line) in enumerate(found))
    return RunEvents(
        trials=tuple(replace(one, session=run.session, run=run.number) for one in trials),
        onsets_s=np.array([onset for onset, _, _ in found]),
        durations_s=np.array([duration for _, duration, _ in found]),
        others={kind: tuple(events) for kind, events in others.items()},
    )


def _require_columns(path: Path, header: Mapping[str, str], columns: Mapping[str, str]) -> None:
    present = ", ".join(reversed(header.values()))
    for name in ("onset", "duration"):
        if name not in header:
            raise ValueError(
                f"{path} has no column `{name}` (it has {present}). BIDS events have `onset` and "
                "`duration`, in seconds."
            )
    if not columns:
        raise ValueError(
            f"{path} has the columns {present}, and none says which image was shown. Add "
            "`stim_file`, `image_id` (counted from 0) or `trial_type`."
        )


def _naming_images(
    columns: Mapping[str, str], header: Mapping[str, str], lines: list[Line]
) -> dict[str, str]:
    """The columns that tell images: ids, and the first name that any line has."""

    def is_filled(name: str) -> bool:
        return any(line.cells[name].lower() not in NO_IMAGE for line in lines)

    ids = {ours: columns[ours] for ours in _IDS if ours in columns and is_filled(columns[ours])}
    names = [header[name] for name in _NAMES if name in header]
    chosen = next(filter(is_filled, names), names[0] if names else None)
    return ids if chosen is None else {**ids, "name": chosen}


def _seconds(path: Path, line: Line, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(
            f"{path} line {line.number} has {cell!r} in column `{column}`. A time in seconds is "
            "needed."
        )
    return value


def _require_within(path: Path, line: Line, onset: float, duration: float, timing: Timing) -> None:
    if duration < 0:
        raise ValueError(f"{path} line {line.number} has duration {duration:g} s. Mend it.")
    if onset >= timing.end_s:
        raise ValueError(
            f"{path} line {line.number} has a trial at {onset:g} s, but the scan ends at "
            f"{timing.end_s:g} s ({timing.num_volumes} volumes of {timing.repetition_time_s:g} s). "
            "Do the events belong to another run, or was the scan cut?"
        )


def _refuse_simultaneous(path: Path, found: list[tuple[float, float, Line]]) -> None:
    for (first, _, one), (second, _, other) in pairwise(found):
        if first == second:
            raise ValueError(
                f"{path} lines {one.number} and {other.number} are two trials at {first:g} s. "
                "Their responses cannot be told apart: leave one line for each trial."
            )

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
    for name in ("onset", "duration"):
        if name not in header:
            raise ValueError(
                f"{path} has no column `{name}` (it has {', '.join(lines[0].cells)}). BIDS events "
                "have `onset` and `duration`, in seconds."
            )
    columns = _with_image_name(columns, header, lines)
    if not columns.keys() & {"image_id", "image_id_from_one", "name"}:
        raise ValueError(
            f"{path} has the columns {', '.join(lines[0].cells)}, and none says which image was "
            "shown. Add `stim_file`, `image_id` (counted from 0) or `trial_type`."
        )
    found, others = [], {}
    for line in lines:
        onset, duration = (_seconds(path, line, header[name]) for name in ("onset", "duration"))
        if not is_blank(line, columns):
            _require_within(path, line, onset, duration, timing)
            found.append((onset, duration, line))
        elif (kind := line.cells.get(header.get(_KIND), "")).lower() not in NO_IMAGE:
            others.setdefault(kind, []).append((onset, duration))
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


def _with_image_name(
    columns: Mapping[str, str], header: Mapping[str, str], lines: list[Line]
) -> dict[str, str]:
    """The columns with the first that names an image in any line; some tools leave one empty."""
    kept = {ours: name for ours, name in columns.items() if ours != "name"}
    present = [header[name] for name in _NAMES if name in header]
    filled = (
        name for name in present if any(line.cells[name].lower() not in NO_IMAGE for line in lines)
    )
    chosen = next(filled, present[0] if present else None)
    return kept if chosen is None else {**kept, "name": chosen}


def _seconds(path: Path, line: Line, column: str) -> float:
    try:
        value = float(line.cells[column])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(
            f"{path} line {line.number} has {line.cells[column]!r} in column `{column}`. A time in "
            "seconds is needed."
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

"""What was shown when: the experimental design of one NSD subject."""

import csv
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from jaxtyping import Bool, Int

from mindeye.nsd_layout import NUM_SESSIONS, TRIALS_PER_SESSION

BROKEN_MATLAB = (
    *(ValueError, TypeError, OSError, LookupError, EOFError, NotImplementedError),
    *(zlib.error, struct.error, scipy.io.matlab.MatReadError),
)
"""What scipy raises for files that are cut off or no MATLAB files."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Every trial planned for one subject, acquired or not.

    Sessions and runs count from 1, everything else from 0.
    """

    subject: int
    image_ids: Int[np.ndarray, "trials"]
    is_shared: Bool[np.ndarray, "trials"]
    sessions: Int[np.ndarray, "trials"]
    runs: Int[np.ndarray, "trials"]
    repeats: Int[np.ndarray, "trials"]
    """How often the image had been shown before."""

    def trials_of(self, session: int) -> Int[np.ndarray, "trials"]:
        """The trials of one session, in the order shown."""
        return np.flatnonzero(self.sessions == session)


def read_design(path: Path, subject: int) -> Design:
    """Reads nsd_expdesign.mat; its ids count from 1, ours from 0.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, or its parts contradict each other.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        content = scipy.io.loadmat(path)
        order = content["masterordering"].reshape(-1).astype(np.int64) - 1
        images_of_subjects = content["subjectim"].astype(np.int64) - 1
        shared = content["sharedix"].reshape(-1).astype(np.int64) - 1
    except BROKEN_MATLAB as error:
        raise ValueError(
            f"{path} cannot be read as NSD's design ({error!r}). Was its download cut off?"
        ) from error
    images = images_of_subjects[subject - 1]
    if order.min() < 0 or order.max() >= len(images):
        raise ValueError(
            f"{path}: masterordering runs from {order.min() + 1} to {order.max() + 1}, but there "
            f"are images 1 to {len(images)}. Is the file damaged?"
        )
    if not np.array_equal(images[: len(shared)], shared) or images.min() < 0:
        raise ValueError(
            f"{path}: the first {len(shared)} images of subject {subject} are not `sharedix`. "
            "Were the ids cut to 16 bits when the file was written again?"
        )
    sessions, runs = _sessions_and_runs(content.get("stimpattern"), len(order))
    return Design(
        subject=subject,
        image_ids=images[order],
        is_shared=order < len(shared),
        sessions=sessions,
        runs=runs,
        repeats=_earlier_showings(order),
    )


def require_same_images(responses: Path, design: Design) -> None:
    """Compares the behavioural table with the design, row by row.

    Raises:
        ValueError: names the first trial on which they disagree.
    """
    shown = read_shown_images(responses)
    if len(shown) > len(design.image_ids):
        raise ValueError(
            f"{responses} has {len(shown)} rows, but the design has {len(design.image_ids)} "
            "trials. Does a row stand twice?"
        )
    differs = np.flatnonzero(shown != design.image_ids[: len(shown)])
    if len(differs):
        first = int(differs[0])
        raise ValueError(
            f"{responses}: trial {first} shows image {shown[first]} (counted from 0), but the "
            f"design of subject {design.subject} says {design.image_ids[first]}; "
            f"{len(differs)} trials disagree. Do the two files come from one release?"
        )


def read_shown_images(responses: Path) -> Int[np.ndarray, "trials"]:
    """Image ids (from 0; the table counts from 1) of responses.tsv; empty lines are skipped.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such table; a row without a whole id is named by its line.
    """
    if not responses.exists():
        raise FileNotFoundError(f"{responses} is missing. Fetch this file of the NSD tree.")
    shown = []
    # utf-8-sig: editors on Windows put a mark before the first column's name.
    with responses.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        if "73KID" not in (rows.fieldnames or ()):
            raise ValueError(
                f"{responses} has no column 73KID. Was it converted? Its columns are separated "
                "by tabs."
            )
        for row in rows:
            try:
                number = float(row["73KID"])
                if not number.is_integer():
                    raise ValueError(f"it is {row['73KID']}")
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{responses} has a row without a whole 73KID in line {rows.line_num} "
                    f"({error}). Is the row blank, or was the file cut off?"
                ) from error
            shown.append(int(number) - 1)
    return np.array(shown, dtype=np.int64)


def showings(
    design: Design, sessions: Iterable[int]
) -> tuple[Int[np.ndarray, "images"], Int[np.ndarray, "images"]]:
    """Ascending image ids of some sessions, and how often each was shown in them: 1 to 3 times."""
    shown = np.isin(design.sessions, list(sessions))
    return np.unique(design.image_ids[shown], return_counts=True)


def _sessions_and_runs(
    pattern: np.ndarray | None, num_trials: int
) -> tuple[Int[np.ndarray, "trials"], Int[np.ndarray, "trials"]]:
    """Session and run of each trial, from the pattern (sessions, runs, slots) of stimulus slots."""
    if pattern is None or pattern.ndim != 3 or int(pattern.sum()) < num_trials:
        counts = np.full((NUM_SESSIONS, 1), TRIALS_PER_SESSION)
    else:
        counts = pattern.astype(np.int64).sum(-1)
    sessions, runs = np.indices(counts.shape) + 1
    repeated = [
        np.repeat(values.ravel(), counts.ravel())[:num_trials] for values in (sessions, runs)
    ]
    return repeated[0], repeated[1]


def _earlier_showings(order: Int[np.ndarray, "trials"]) -> Int[np.ndarray, "trials"]:
    """How often each trial's image came before it."""
    by_image = np.argsort(order, kind="stable")
    sorted_order = order[by_image]
    starts = np.flatnonzero(np.r_[True, sorted_order[1:] != sorted_order[:-1]])
    start_of = np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    earlier = np.empty(len(order), dtype=np.int64)
    earlier[by_image] = np.arange(len(order)) - start_of
    return earlier

"""MindEye2's tables: one tar sample is one trial, told by a row of 17 numbers."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from mindeye import nsd_layout as layout
from mindeye.data.peers.tars import array_of, samples_of

COLUMNS = {"image_id": 0, "subject": 1, "session": 2, "run": 3, "trial": 5}
"""Of behav.npy; `trial` is the row of the betas. Sessions and runs count from 1."""
NUM_COLUMNS = 17


def read_behaviour(paths: list[Path], subject: int) -> Int[np.ndarray, "trials 17"]:
    """behav.npy of every sample; columns that are not read are 0 where they are no number."""
    rows = []
    used = list(COLUMNS.values())
    for path in paths:
        for where, sample in samples_of(path, ("behav.npy",)):
            row = array_of(sample, "behav.npy", where)
            if row.shape != (1, NUM_COLUMNS) or (row[0, used] != np.rint(row[0, used])).any():
                raise ValueError(
                    f"{where}: behav.npy has shape {row.shape} and begins "
                    f"{row.ravel()[:6].tolist()}, but (1, {NUM_COLUMNS}) with whole numbers is "
                    "needed. Fetch it again."
                )
            numbers = np.zeros(NUM_COLUMNS, dtype=np.int64)
            numbers[used] = row[0, used]
            _require_row(numbers, subject, where)
            rows.append(numbers)
    return np.stack(rows) if rows else np.zeros((0, NUM_COLUMNS), dtype=np.int64)


def _require_row(row: Int[np.ndarray, "17"], subject: int, where: str) -> None:
    found = {name: int(row[column]) for name, column in COLUMNS.items()}
    last = {"image_id": layout.NUM_IMAGES - 1, "session": layout.SESSIONS[subject]}
    first = {"image_id": 0, "session": 1}
    wrong = [name for name in last if not first[name] <= found[name] <= last[name]]
    if found["subject"] != subject:
        raise ValueError(
            f"{where} is of subject {found['subject']}, not {subject}. Is it in the wrong folder?"
        )
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"{where}: {name} {found[name]}, but they run from {first[name]} to {last[name]}. "
            "Is this the published file?"
        )


def in_order(
    table: Int[np.ndarray, "trials 17"], tested: Bool[np.ndarray, "trials"]
) -> tuple[Int[np.ndarray, "trials 17"], Bool[np.ndarray, "trials"]]:
    """As shown; refuses a row of the betas that stands for two trials."""
    rows = table[:, COLUMNS["trial"]]
    values, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{int((counts > 1).sum())} rows of the betas stand for several trials, first "
            f"{values[counts > 1][:5].tolist()}. Is a tar there under two names?"
        )
    order = np.argsort(rows)
    return table[order], tested[order]

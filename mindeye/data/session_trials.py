"""Session by session: betas are read, z-scored by the scope, and written to the split's shards."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32

from mindeye.data.betas import read_session, require_percent_signal
from mindeye.data.design import Design
from mindeye.data.request import Request
from mindeye.data.session_forms import require_same_betas
from mindeye.data.shards import ShardWriter
from mindeye.data.splits import SPLITS, trials_of_split
from mindeye.data.zscore import (
    Statistics,
    in_session,
    pooled,
    require_usable,
    statistics_of,
    zscored,
)


def write_trials(
    folder: Path, chosen: Request, report: Callable[[str, int], None]
) -> tuple[dict[str, ShardWriter], dict[int, Statistics]]:
    """Reads and writes session by session: only one is in memory.

    The scope `train-global` reads every session twice, first for the statistics.
    """
    everything = _statistics_of_all(chosen, report) if _scope(chosen) == "train-global" else None
    shards = {split: ShardWriter(folder, split) for split in SPLITS}
    statistics, done = {}, 0
    for session in chosen.files:
        trials = chosen.design.trials_of(session)
        betas = _betas_of(chosen, session)
        if everything is None:
            found = _statistics_of(chosen, session, betas)
        else:
            found = in_session(everything, betas)
        require_usable(found, _name(chosen, session))
        statistics[session] = found
        if _scope(chosen) != "none":
            betas = zscored(betas, found)
        members = chosen.assignment.members(chosen.design.image_ids[trials], session)
        for split in SPLITS:
            for row in np.flatnonzero(members[split]):
                _write_trial(shards[split], betas[row], chosen.design, int(trials[row]))
        done += len(trials)
        report("trials", done)
    for writer in shards.values():
        writer.close()
    return shards, statistics


def num_train_trials(chosen: Request, session: int) -> int:
    """How many trials of a session are written for training."""
    image_ids = chosen.design.image_ids[chosen.design.trials_of(session)]
    return int(chosen.assignment.members(image_ids, session)["train"].sum())


def _scope(chosen: Request) -> str:
    return chosen.settings["zscore"]


def _name(chosen: Request, session: int) -> str:
    subject, path = chosen.settings["subject"], chosen.files[session]
    return f"subj{subject:02d} session {session:02d} ({path.name})"


def _betas_of(chosen: Request, session: int) -> Float32[np.ndarray, "trials voxels"]:
    num_trials = len(chosen.design.trials_of(session))
    betas = read_session(chosen.files[session], chosen.mask, num_trials)
    require_percent_signal(betas, _name(chosen, session))
    require_same_betas(chosen.files[session], betas, chosen.mask)
    return betas


def _statistics_of(
    chosen: Request, session: int, betas: Float32[np.ndarray, "trials voxels"]
) -> Statistics:
    """Over the trials of training images, or all; also in sessions that are for the test alone."""
    image_ids = chosen.design.image_ids[chosen.design.trials_of(session)]
    whose: Bool[np.ndarray, trials] = np.ones(len(betas), dtype=bool)
    if _scope(chosen) != "session-all":
        whose = trials_of_split(image_ids, chosen.splits, "train")
    return statistics_of(betas, whose)


def _statistics_of_all(chosen: Request, report: Callable[[str, int], None]) -> Statistics:
    """Over the training trials of all sessions together."""
    parts, counts, done = [], [], 0
    for session in chosen.files:
        count = num_train_trials(chosen, session)
        if count:
            parts.append(_statistics_of(chosen, session, _betas_of(chosen, session)))
            counts.append(count)
        done += len(chosen.design.trials_of(session))
        report("statistics", done)
    return pooled(parts, counts)


def _write_trial(
    writer: ShardWriter, betas: Float[np.ndarray, "voxels"], design: Design, trial: int
) -> None:
    writer.write(
        betas,
        image_id=int(design.image_ids[trial]),
        subject=design.subject,
        session=int(design.sessions[trial]),
        run=int(design.runs[trial]),
        trial=trial,
        repeat=int(design.repeats[trial]),
    )

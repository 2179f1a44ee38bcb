"""NSD's tables of images and of responses, for a made-up experiment."""

import numpy as np
import pandas
from jaxtyping import Int

from mindeye import nsd_layout as nsd
from mindeye.simulate.design import Design, showing_of

HIT_RATE, FALSE_ALARM_RATE, MISSED_RATE = 0.82, 0.16, 0.005
"""Of a made-up participant in the memory task."""
OLDEST_COCO_ID = 581_930


def stim_info(design: Design, generator: np.random.Generator) -> pandas.DataFrame:
    """One row per image, as in nsd_stim_info_merged.csv; repetitions are the design's."""
    table: dict[str, object] = {
        "cocoId": generator.choice(OLDEST_COCO_ID, nsd.NUM_IMAGES, replace=False),
        "cocoSplit": np.where(generator.random(nsd.NUM_IMAGES) < 0.96, "train2017", "val2017"),
        "cropBox": "(0, 0, 0, 0)",
        "loss": 0.0,
        "nsdId": np.arange(nsd.NUM_IMAGES),
        "flagged": False,
        "BOLD5000": False,
        "shared1000": np.isin(np.arange(1, nsd.NUM_IMAGES + 1), design.sharedix),
    }
    seen = np.zeros((nsd.NUM_SUBJECTS, nsd.NUM_IMAGES), dtype=np.int64)
    trials = np.zeros((nsd.NUM_SUBJECTS, nsd.REPEATS_PER_IMAGE, nsd.NUM_IMAGES), dtype=np.int64)
    by_column = np.argsort(design.masterordering, kind="stable").reshape(-1, 3) + 1
    for subject in range(nsd.NUM_SUBJECTS):
        images = design.subjectim[subject] - 1
        seen[subject, images] = 1
        trials[subject][:, images] = by_column.T
    for subject in range(nsd.NUM_SUBJECTS):
        table[f"subject{subject + 1}"] = seen[subject]
    for subject in range(nsd.NUM_SUBJECTS):
        for repeat in range(nsd.REPEATS_PER_IMAGE):
            table[f"subject{subject + 1}_rep{repeat}"] = trials[subject, repeat]
    return pandas.DataFrame(table)


def responses(
    design: Design, subject: int, sessions: int, generator: np.random.Generator
) -> pandas.DataFrame:
    """One row per acquired trial, as in responses.tsv."""
    num_trials = sessions * nsd.TRIALS_PER_SESSION
    columns = design.masterordering[:num_trials]
    session = np.repeat(np.arange(1, sessions + 1), nsd.TRIALS_PER_SESSION)
    run = np.tile(nsd.run_of_trial(), sessions)
    trial = np.tile(np.concatenate([np.arange(1, n + 1) for n in nsd.TRIALS_PER_RUN]), sessions)
    showing = showing_of(columns)
    recent, first = _trials_since(columns)
    old = showing > 0
    old_today = old & (recent < np.arange(num_trials) % nsd.TRIALS_PER_SESSION + 1)
    says_old = generator.random(num_trials) < np.where(old, HIT_RATE, FALSE_ALARM_RATE)
    missing = generator.random(num_trials) < MISSED_RATE
    slots = np.flatnonzero(design.stimpattern[:sessions].ravel())
    run_starts = (session - 1) * 7 + 0.5 + (run - 1) * 400 / 86_400
    table = {
        "SUBJECT": subject,
        "SESSION": session,
        "RUN": run,
        "TRIAL": trial,
        "73KID": design.image_ids(subject, sessions) + 1,
        "10KID": columns,
        "TIME": run_starts + slots % nsd.SLOTS_PER_RUN * 4 / 86_400,
        "ISOLD": old.astype(int),
        "ISCORRECT": _unless(missing, says_old == old),
        "RT": _unless(missing, generator.lognormal(6.8, 0.25, num_trials).round(2)),
        "CHANGEMIND": _unless(missing, generator.random(num_trials) < 0.01),
        "MEMORYRECENT": _unless(~old, recent - 1),
        "MEMORYFIRST": _unless(~old, first - 1),
        "ISOLDCURRENT": old_today.astype(int),
        "ISCORRECTCURRENT": _unless(missing, says_old == old_today),
        "TOTAL1": (~says_old & ~missing).astype(int),
        "TOTAL2": (says_old & ~missing).astype(int),
        "BUTTON": _unless(missing, 1 + says_old),
        "MISSINGDATA": 0,
    }
    return pandas.DataFrame(table)[list(nsd.RESPONSE_COLUMNS)]


def _unless(missing: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(missing, np.nan, values.astype(np.float64))


def _trials_since(
    columns: Int[np.ndarray, "trials"],
) -> tuple[Int[np.ndarray, "trials"], Int[np.ndarray, "trials"]]:
    """Trials since the image's latest and its first showing; 0 at the first showing."""
    order = np.argsort(columns, kind="stable")
    ordered = columns[order]
    same = np.r_[False, ordered[1:] == ordered[:-1]]
    starts = np.flatnonzero(~same)
    recent, first = np.zeros_like(columns), np.zeros_like(columns)
    recent[order] = np.where(same, np.diff(order, prepend=0), 0)
    begun = np.repeat(order[starts], np.diff(np.r_[starts, len(order)]))
    first[order] = order - begun
    return recent, first

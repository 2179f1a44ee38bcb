"""nsdimagery: what was seen, or imagined, in each trial of the runs of one task.

A trial of attention has no picture of its own: its first beta is a letter's, its second that of
a series of pictures at 8 Hz. Neither has a condition of set C: its vision trials showed another
picture each time for one concept. Those of sets A and B have one target picture.

Source: NSD Data Manual, Functional data (nsdimagery) and Behavioral data; three independent
public readers of the files agree that row k of a run's table is beta k of that run in vision and
imagery, that CONDITION is what was seen and CUE what was to be imagined, and that `pair_list`
holds number, file name and letter of the six targets of a set.
"""

import csv
import re
from pathlib import Path

import numpy as np
import scipy.io

from mindeye import nsd_layout as layout
from mindeye.data.design import BROKEN_MATLAB
from mindeye.data.nsd import NSDTree
from mindeye.data.transfer.squares import read_square, side_of_tree
from mindeye.data.transfer.trials import (
    FIRST_IMAGE_ID,
    TARGET_IDS_PER_SET,
    Stimulus,
    TransferTrials,
)
from mindeye.nsd_experiments import (
    IMAGERY_RUNS,
    IMAGERY_TRIALS_PER_RUN,
    imagery_pairs_path,
    imagery_picture_path,
    imagery_responses_path,
    imagery_runs,
)

RUN_PREFIX_OF = {"imagery": "img", "vision": "vis"}
"""Task -> how its runs' names begin."""
SETS = ("A", "B")
TARGETS_PER_SET, REPEATS_PER_RUN = 6, 8
HOW = "each raw target image fills the square of {side} pixels (bilinear, antialiased)"
NO_PICTURE = "no single picture belongs to a condition of these runs"
_SHARED_NAME = re.compile(r"shared(\d{4})_nsd(\d{5})\.")


def imagery_trials(tree: NSDTree, subject: int, task: str) -> TransferTrials:
    """The trials of the vision runs, or of the imagery runs, of sets A and B.

    Raises:
        FileNotFoundError: a table or a target picture is missing.
        LookupError: unknown task.
        ValueError: damaged, or contradicting files.
    """
    require_task(task)
    prefix, side = RUN_PREFIX_OF[task], side_of_tree(tree.stimuli_path())
    of_set = {one: read_targets(tree, subject, one) for one in SETS}
    run_of_row = np.array(imagery_runs())
    rows, image_ids = [], []
    for run in IMAGERY_RUNS:
        if run.startswith(prefix) and run[3] in SETS:
            targets = of_set[run[3]]
            letters = read_letters(tree.root / imagery_responses_path(subject, run), task, targets)
            rows += np.flatnonzero(run_of_row == run).tolist()
            image_ids += [targets[letter].image_id for letter in letters]
    placed = sorted((one, name) for name, of in of_set.items() for one in of.values())
    pictures = [
        read_square(tree.root / imagery_picture_path(name, one.name), side) for one, name in placed
    ]
    numbers = np.array([IMAGERY_RUNS.index(run) + 1 for run in run_of_row.tolist()])
    others = [run for run in IMAGERY_RUNS if run.startswith("att") or run[3] not in SETS]
    return TransferTrials(
        rows=np.array(rows),
        image_ids=np.array(image_ids),
        runs=numbers[rows],
        run_of_row=numbers,
        stimuli=tuple(one for one, _ in placed),
        pictures=np.stack(pictures),
        how=HOW.format(side=side),
        left_out={NO_PICTURE: others},
    )


def require_task(task: str) -> None:
    """Refuses what has no pictures.

    Raises:
        LookupError: says which tasks there are.
    """
    if task == "attention":
        raise LookupError(
            "A trial of attention has two betas, of a letter and of a series of pictures, and no "
            f"picture of its own. Pick one of {', '.join(RUN_PREFIX_OF)}."
        )
    if task not in RUN_PREFIX_OF:
        raise LookupError(f"Unknown task `{task}`. Pick one of {', '.join(RUN_PREFIX_OF)}.")


def read_targets(tree: NSDTree, subject: int, name: str) -> dict[str, Stimulus]:
    """Letter -> target of one set.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a list, or a target that is said to be another NSD image than it is.
    """
    path = tree.root / imagery_pairs_path(name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    try:
        pairs = scipy.io.loadmat(path, squeeze_me=True)["pair_list"]
        found = [(int(number), str(file), str(letter)) for number, file, letter in pairs]
    except BROKEN_MATLAB as error:
        raise ValueError(
            f"{path} cannot be read as six targets ({error!r}). Was its download cut off?"
        ) from error
    numbers, letters = ([one[column] for one in found] for column in (0, 2))
    if sorted(numbers) != [*range(1, TARGETS_PER_SET + 1)] or len({*letters}) < TARGETS_PER_SET:
        raise ValueError(
            f"{path} lists targets {sorted(numbers)} with letters {sorted(letters)}. A set has "
            f"targets 1 to {TARGETS_PER_SET} with a letter each: is this another file?"
        )
    first = FIRST_IMAGE_ID["nsdimagery"] + TARGET_IDS_PER_SET * SETS.index(name)
    return {
        letter: Stimulus(first + number, file, nsd_image_of(tree, subject, file))
        for number, file, letter in found
    }


def nsd_image_of(tree: NSDTree, subject: int, file: str) -> int | None:
    """The 73k id (from 0) of a target that is one of NSD's shared images, as its name says.

    Raises:
        ValueError: the tree's design has another image in that place.
    """
    named = _SHARED_NAME.match(file)
    if named is None or int(named[1]) == 0:
        return None
    place, image_id = int(named[1]) - 1, int(named[2]) - 1
    if (tree.root / layout.expdesign_path()).exists():
        design = tree.design(subject)
        shared = np.unique(design.image_ids[design.is_shared])
        if place >= len(shared) or shared[place] != image_id:
            raise ValueError(
                f"{file} says that it is shared image {place + 1}, 73k id {image_id + 1}, but the "
                "design of this tree has another one there. Do the files come from one tree?"
            )
    return image_id


def read_letters(path: Path, task: str, targets: dict[str, Stimulus]) -> list[str]:
    """The letter of the target of each of a run's 48 trials, as shown.

    In vision the cue is another target's in half of the trials, so it says nothing of the picture.

    Raises:
        FileNotFoundError: no such table.
        ValueError: another number or order of trials, or targets that are not shown equally often.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Fetch this file of the NSD tree.")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    absent = [name for name in ("TRIAL", "CONDITION", "CUE") if not rows or not rows[0].get(name)]
    if absent:
        raise ValueError(
            f"{path} has no {', '.join(absent)}. Was it converted? Its columns are separated by "
            "tabs."
        )
    trials = [str(row["TRIAL"]).strip() for row in rows]
    if trials != [str(number) for number in range(1, IMAGERY_TRIALS_PER_RUN + 1)]:
        raise ValueError(
            f"{path} has {len(rows)} trials, from {trials[0]} to {trials[-1]}, but a run has 1 to "
            f"{IMAGERY_TRIALS_PER_RUN} in the order shown. Was the file cut off or sorted?"
        )
    letters = [row["CONDITION"] for row in rows]
    if task == "imagery" and letters != [row["CUE"] for row in rows]:
        first = next(one for one, row in enumerate(rows) if row["CUE"] != row["CONDITION"])
        raise ValueError(
            f"{path}: trial {first + 1} has condition {letters[first]} and cue "
            f"{rows[first]['CUE']}, but what is to be imagined is what the cue says. "
            "Is this the table of a vision run?"
        )
    count_of = {letter: letters.count(letter) for letter in sorted({*letters, *targets})}
    if count_of != dict.fromkeys(sorted(targets), REPEATS_PER_RUN):
        raise ValueError(
            f"{path} has conditions {count_of}, but each of {', '.join(sorted(targets))} comes "
            f"{REPEATS_PER_RUN} times in a run. Is this the table of another set?"
        )
    return letters


def imagery_sources(subject: int, task: str, files: list[str]) -> tuple[Path, ...]:
    """Files of a tree that decide the trials and their pictures; `files` are the targets'."""
    runs = [run for run in IMAGERY_RUNS if run.startswith(RUN_PREFIX_OF[task]) and run[3] in SETS]
    pictures = (imagery_picture_path(name, file) for name in SETS for file in files)
    return (
        *(imagery_pairs_path(name) for name in SETS),
        *(imagery_responses_path(subject, run) for run in runs),
        *pictures,
    )

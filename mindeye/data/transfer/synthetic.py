"""nsdsynthetic: which picture each of the 744 trials showed."""

import csv
from pathlib import Path

import numpy as np

from mindeye.data.nsd import NSDTree
from mindeye.data.stimuli import num_synthetic_pictures, synthetic_pictures
from mindeye.data.transfer.squares import from_linear_screens, is_blank, side_of_tree
from mindeye.data.transfer.trials import (
    FIRST_IMAGE_ID,
    OWN_IDS_PER_SUBJECT,
    Stimulus,
    TransferTrials,
)
from mindeye.nsd_experiments import (
    NUM_SYNTHETIC_IMAGES,
    NUM_SYNTHETIC_SHARED,
    synthetic_design_path,
    synthetic_names_path,
    synthetic_stimuli_paths,
)

HOW = (
    "the middle square of the screen, which is NSD's own 8.4 degrees, square root of its linear "
    "brightness, bilinear and antialiased to {side} pixels; what lies left and right is cut off"
)
BLANK = "nothing of it lies within the square"
_SCREENS_AT_ONCE = 16


def synthetic_trials(tree: NSDTree, subject: int) -> TransferTrials:
    """All trials whose picture shows anything within the square.

    One-back repeats count as trials like any other.

    Raises:
        FileNotFoundError: the design or a file of pictures is missing.
        ValueError: damaged, or not those of nsdsynthetic.
    """
    design = tree.synthetic_design()
    shown = np.unique(design.image_numbers)
    side = side_of_tree(tree.stimuli_path())
    paths = tuple(tree.root / path for path in synthetic_stimuli_paths(subject))
    _require_all_pictures(paths)
    blocks = (
        shown[start : start + _SCREENS_AT_ONCE] for start in range(0, len(shown), _SCREENS_AT_ONCE)
    )
    pictures = np.concatenate(
        [from_linear_screens(synthetic_pictures(paths, block), side) for block in blocks]
    )
    names = read_names(tree.root / synthetic_names_path())
    blank = is_blank(pictures)
    rows = np.flatnonzero(~np.isin(design.image_numbers, shown[blank]))
    ids = image_ids_of(np.arange(NUM_SYNTHETIC_IMAGES), subject)
    return TransferTrials(
        rows=rows,
        image_ids=ids[design.image_numbers[rows]],
        runs=design.runs[rows],
        run_of_row=design.runs,
        stimuli=tuple(Stimulus(int(ids[one]), names[one]) for one in shown[~blank].tolist()),
        pictures=pictures[~blank],
        how=HOW.format(side=side),
        left_out={BLANK: [names[one] for one in shown[blank].tolist()]} if blank.any() else {},
    )


def _require_all_pictures(paths: tuple[Path, Path]) -> None:
    """Numbers go on from one file to the other: one picture less would shift all that follow."""
    own = NUM_SYNTHETIC_IMAGES - NUM_SYNTHETIC_SHARED
    for path, wanted in zip(paths, (NUM_SYNTHETIC_SHARED, own), strict=True):
        found = num_synthetic_pictures(path)
        if found != wanted:
            raise ValueError(
                f"{path} holds {found} pictures, but nsdsynthetic has {wanted} there. "
                "Was it cut, or exchanged with another file?"
            )


def image_ids_of(numbers: np.ndarray, subject: int) -> np.ndarray:
    """Image ids of pictures by their numbers from 0; ascending for ascending numbers."""
    own = np.where(numbers >= NUM_SYNTHETIC_SHARED, OWN_IDS_PER_SUBJECT * subject, 0)
    return FIRST_IMAGE_ID["nsdsynthetic"] + own + numbers


def read_names(path: Path) -> list[str]:
    """NSD's own name of each picture, in the order of their numbers; the numbers without its table.

    Raises:
        ValueError: not such a table.
    """
    if not path.exists():
        return [f"nsdsynthetic {number}" for number in range(NUM_SYNTHETIC_IMAGES)]
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        names = [row.get("Image") for row in rows]
    if len(names) != NUM_SYNTHETIC_IMAGES or not all(names):
        raise ValueError(
            f"{path} names {sum(map(bool, names))} pictures in a column Image, but nsdsynthetic "
            f"has {NUM_SYNTHETIC_IMAGES}. Was the file cut off? Fetch it again, or remove it."
        )
    return names


def synthetic_sources(subject: int) -> tuple[Path, ...]:
    """Files of a tree that decide the trials and their pictures."""
    return synthetic_design_path(), synthetic_names_path(), *synthetic_stimuli_paths(subject)

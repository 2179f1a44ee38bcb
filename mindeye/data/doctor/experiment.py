"""What all subjects share: the design, the table of images, the pictures."""

from collections.abc import Mapping

import numpy as np

from mindeye import nsd_layout as layout
from mindeye.data.design import Design, read_design, showings
from mindeye.data.doctor.check import Check, absent, compared, equal, guarded
from mindeye.data.nsd import NSDTree
from mindeye.data.stim_info import read_stim_info
from mindeye.data.stimuli import picture_shape
from mindeye.nsd_experiments import NUM_SYNTHETIC_IMAGES, synthetic_design_path

SHARED_BY_ALL = (515, 766, 907)
"""Shared images that all eight subjects saw three times, twice or more, once or more."""
NUM_DISTINCT_IMAGES = 70_566
SEEN_IN_37 = (982, 8859)
"""Shared and own images of subjects 1, 2, 5 and 7 in their first 37 sessions."""
PICTURE_SHAPE = (425, 425, 3)


def design_checks(tree: NSDTree) -> tuple[list[Check], dict[int, Design]]:
    """The design by itself, and against NSD's counts in a real tree; designs by subject."""
    path = layout.expdesign_path()
    if not (tree.root / path).exists():
        return [absent("design", [path], required=True)], {}
    designs: dict[int, Design] = {}

    def look() -> list[Check]:
        for subject in layout.SESSIONS:
            designs[subject] = read_design(tree.root / path, subject)
        checks = [_shape_of_design(designs)]
        return checks if tree.simulated() is not None else [*checks, *_counts_of_design(designs)]

    return guarded("design", look), designs


def _shape_of_design(designs: Mapping[int, Design]) -> Check:
    """The same order of trials for all, shared images the same, each image three times."""
    first = designs[1]
    seen = {
        (
            len(one.image_ids),
            len(np.unique(one.image_ids)),
            int(one.repeats.max()) + 1,
            bool(np.array_equal(one.image_ids[first.is_shared], first.image_ids[first.is_shared])),
        )
        for one in designs.values()
    }
    wanted = (layout.NUM_TRIALS, layout.IMAGES_PER_SUBJECT, layout.REPEATS_PER_IMAGE, True)
    return compared("design: trials, images, repeats", *_shown(seen, wanted), seen == {wanted})


def _shown(seen: set[tuple], wanted: tuple) -> tuple[str, str]:
    first = next(iter(seen - {wanted}), wanted)
    return tuple(
        f"{trials}, {images}, {repeats}{'' if same else ', shared images differ'}"
        for trials, images, repeats, same in (first, wanted)
    )


def _counts_of_design(designs: Mapping[int, Design]) -> list[Check]:
    least: dict[int, int] = {}
    distinct: set[int] = set()
    for subject, design in designs.items():
        ids, counts = showings(design, range(1, layout.SESSIONS[subject] + 1))
        count_of = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        distinct |= count_of.keys()
        for image_id in np.unique(design.image_ids[design.is_shared]).tolist():
            count = count_of.get(image_id, 0)
            least[image_id] = min(count, least.get(image_id, count))
    by_all = tuple(sum(one >= showing for one in least.values()) for showing in (3, 2, 1))
    early = designs[1].sessions <= 37
    shared = designs[1].is_shared
    old = tuple(len(np.unique(designs[1].image_ids[early & one])) for one in (shared, ~shared))
    return [
        equal("design: shared images seen 3, 2, 1 times by all", by_all, SHARED_BY_ALL),
        equal("design: images seen by anyone", len(distinct), NUM_DISTINCT_IMAGES),
        equal("design: shared and own images of 37 sessions", old, SEEN_IN_37),
    ]


def image_table_checks(tree: NSDTree, designs: Mapping[int, Design]) -> list[Check]:
    """nsd_stim_info_merged.csv against the design, for every subject and every trial."""
    path, name = layout.stim_info_path(), "images: table agrees with the design"
    if not (tree.root / path).exists():
        return [absent(name, [path])]

    def look() -> list[Check]:
        info = read_stim_info(tree.root / path)
        wrong = []
        for subject, design in designs.items():
            planned = np.full(layout.NUM_TRIALS, -1)
            repeat, image = np.nonzero(info.trials[subject - 1] >= 0)
            trials = info.trials[subject - 1][repeat, image]
            inside = trials < len(planned)
            planned[trials[inside]] = image[inside]
            same = np.array_equal(planned, design.image_ids) and inside.all()
            seen = np.array_equal(np.flatnonzero(info.is_seen[subject - 1]), np.unique(planned))
            shared = np.unique(design.image_ids[design.is_shared])
            if not (same and seen and np.array_equal(np.flatnonzero(info.is_shared), shared)):
                wrong.append(layout.subject_name(subject))
        seen = f"{', '.join(wrong)} disagree" if wrong else f"{len(designs)} subjects agree"
        return [compared(name, seen, f"{len(designs)} subjects agree", not wrong)]

    return guarded(name, look)


def stimuli_checks(tree: NSDTree) -> list[Check]:
    """The file of pictures: whole, and of NSD's size in a real tree."""
    path, name = layout.stimuli_path(), "pictures"
    if not (tree.root / path).exists():
        return [absent(name, [path], required=True)]

    def look() -> list[Check]:
        shape = picture_shape(tree.root / path)
        return [equal(name, shape, shape if tree.simulated() is not None else PICTURE_SHAPE)]

    return guarded(name, look)


def synthetic_checks(tree: NSDTree) -> list[Check]:
    """The design of nsdsynthetic, for a tree that has betas of it."""
    path, name = synthetic_design_path(), "design of nsdsynthetic"
    if not (tree.root / path).exists():
        return [absent(name, [path])]

    def look() -> list[Check]:
        design = tree.synthetic_design()
        seen = f"{len(np.unique(design.image_numbers))} images"
        return [equal(name, seen, f"{NUM_SYNTHETIC_IMAGES} images")]

    return guarded(name, look)

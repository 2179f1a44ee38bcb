"""Examines a whole tree."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mindeye import nsd_layout as layout
from mindeye.data.design import Design
from mindeye.data.doctor.check import Check, absent
from mindeye.data.doctor.experiment import (
    design_checks,
    image_table_checks,
    stimuli_checks,
    synthetic_checks,
)
from mindeye.data.doctor.sessions import (
    Reading,
    first_area_check,
    mean_check,
    presence_checks,
    read,
    readings,
    region_of_space,
)
from mindeye.data.doctor.subject import map_checks, surface_ceiling_checks, table_checks
from mindeye.data.doctor.template import template_checks
from mindeye.data.doctor.transfer import transfer_checks
from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import TEMPLATE_SPACE

Progress = Callable[[str, int, int], None]
"""Called with the stage, how many sessions are read, how many there are."""


class Diagnosis(NamedTuple):
    """All that was found in one tree."""

    root: Path
    simulated: dict | None
    checks: list[Check]


def examine_nsd(
    root: Path | str, subject: int | None = None, progress: Progress | None = None
) -> Diagnosis:
    """Looks at everything that is there, of one subject or of all that have files.

    Reads every session whole, in each of its forms: that is how cut files are found.

    Raises:
        FileNotFoundError: no tree there.
        LookupError: unknown subject.
    """
    tree = NSDTree(root)
    subjects = sorted(layout.SESSIONS) if subject is None else [subject]
    present = [one for one in subjects if _has_files(tree, one)]
    to_read = {one: readings(tree, one) for one in present}
    total, done = sum(map(len, to_read.values())), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress("sessions", done, total)

    checks, designs = design_checks(tree)
    checks += image_table_checks(tree, designs)
    checks += stimuli_checks(tree)
    if any(one.session.experiment == "nsdsynthetic" for found in to_read.values() for one in found):
        checks += synthetic_checks(tree)
    for one in subjects:
        if one in present:
            checks += _subject_checks(tree, one, designs.get(one), to_read[one], step)
        elif subject is not None or tree.simulated() is None:
            first = [layout.roi_path(one, "nsdgeneral"), layout.betas_path(one, 1, "hdf5")]
            checks.append(absent("anything", first, one, required=subject is not None))
    if not present and subject is None:
        checks.append(absent("any subject", [layout.roi_path(1, "nsdgeneral")], required=True))
    return Diagnosis(tree.root, tree.simulated(), checks)


def _has_files(tree: NSDTree, subject: int) -> bool:
    name = layout.subject_name(subject)
    folders = (tree.root / "nsddata/ppdata" / name, tree.root / "nsddata_betas/ppdata" / name)
    return any(folder.is_dir() and any(folder.iterdir()) for folder in folders)


def _subject_checks(
    tree: NSDTree,
    subject: int,
    design: Design | None,
    to_read: list[Reading],
    step: Callable[[], None],
) -> Iterator[Check]:
    if design is not None:
        yield from table_checks(tree, subject, design)
    checks, mask = map_checks(tree, subject)
    yield from checks
    yield from presence_checks(tree, subject, to_read)
    readable = {layout.SPACE} if mask is not None else set()
    for space in dict.fromkeys(one.space for one in to_read):
        if space not in (layout.SPACE, TEMPLATE_SPACE):
            found = region_of_space(tree, subject, space)
            yield from found
            if found[0].state == "ok":
                readable.add(space)
                yield from surface_ceiling_checks(tree, subject, space)
    others = dict.fromkeys(one.session.experiment for one in to_read)
    for experiment in (one for one in others if one != "nsd"):
        yield from transfer_checks(tree, subject, experiment)
    means: dict[str, list] = {}
    for one in to_read:
        if one.space == TEMPLATE_SPACE:
            yield from template_checks(tree, one.session)
        elif one.space in readable and design is not None:
            checks, mean = read(tree, one)
            yield from checks
            is_main = one.space == layout.SPACE and one.session.experiment == "nsd"
            if is_main and mean is not None:
                means.setdefault(one.session.beta_version, []).append(mean)
        step()
    for version, of_sessions in means.items():
        yield from mean_check(tree, subject, version, of_sessions)
    if subject == 1 and tree.simulated() is None and len(tree.present_sessions(1)):
        yield from first_area_check(tree)

"""`mindeye simulate`: a made-up subject in the layout of a data set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mindeye.simulate.laion_tree import simulate_laion_tree
from mindeye.simulate.mosaic_files import simulate_mosaic
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import Progress, preset_of
from mindeye.simulate.things_files import simulate_things

WRITERS = {
    "nsd": simulate_nsd_tree,
    "laion-fmri": simulate_laion_tree,
    "mosaic": simulate_mosaic,
    "things-fmri": simulate_things,
}
"""Layout -> what writes it."""
WITHOUT_CHOICE = ("mosaic", "things-fmri")
"""Layouts whose number of sessions is what it is."""


def simulate_subject(
    layout: str,
    out: Path,
    *,
    preset: str,
    sessions: int | None,
    subject: int,
    seed: int,
    experiments: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Writes a tree, whole or not at all.

    Args:
        sessions: instead of the preset's.
        experiments: of NSD, beside the main one.

    Raises:
        LookupError: no such preset or subject.
        ValueError: too many sessions, or any of a layout that leaves no choice; experiments that a
            layout has not; `out` holds something else.
        OSError: the disk is too full.
    """
    config = preset_of(preset)
    if sessions is not None and layout in WITHOUT_CHOICE:
        raise ValueError(f"{layout} leaves no choice of sessions. Leave --sessions out.")
    if sessions is not None:
        config = replace(config, sessions=sessions)
    if experiments and layout != "nsd":
        raise ValueError(
            f"{layout} has no {' and no '.join(experiments)}. Leave --experiments out."
        )
    more = {"experiments": experiments} if experiments else {}
    WRITERS[layout](out, config, subject=subject, seed=seed, progress=progress, **more)

"""`mindeye prepare`: NSD, what a peer published, or another data set -> a prepared folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindeye.data import prepare as nsd
from mindeye.data.other_datasets.laion_fmri.prepare import prepare_laion_fmri
from mindeye.data.other_datasets.mosaic import prepare_mosaic
from mindeye.data.other_datasets.things import prepare_things
from mindeye.data.peer_presets import with_preset
from mindeye.data.peers.mindeye1 import prepare_mindeye1
from mindeye.data.peers.mindeye2 import prepare_mindeye2
from mindeye.data.transfer.prepare import prepare_transfer
from mindeye.data.transfer.trials import EXPERIMENT_OF

TAKEN: dict[str, tuple[str, ...]] = {
    "nsd": (
        *("roi", "sessions", "beta_version", "source", "zscore", "protocol", "peer", "seed"),
        "task",
    ),
    "mindeye1": (),
    "mindeye2": ("sessions", "protocol", "seed"),
    "laion-fmri": ("roi", "sessions", "zscore", "split", "stimuli", "seed"),
    "mosaic": ("roi", "protocol", "stimuli", "stimulus_table", "noise_ceiling_above", "seed"),
    "things-fmri": ("roi", "zscore", "stimuli", "noise_ceiling_above", "seed"),
}
"""Data set -> settings that can be chosen; the others are built into its files."""
NEEDED = {"mosaic": ("stimuli", "stimulus_table"), "things-fmri": ("stimuli",)}
"""Data set -> settings that have no default."""
SETTINGS = tuple(dict.fromkeys(name for names in TAKEN.values() for name in names))
"""All of them."""


def prepare_data(
    dataset: str,
    root: Path,
    out: Path,
    *,
    subject: int,
    given: Mapping[str, Any],
    progress: nsd.Progress | None = None,
) -> Path:
    """Prepares one subject of a data set with the settings that were given.

    Args:
        given: some of `SETTINGS`; those left out, or None, are as the data set's function has
            them.

    Raises:
        LookupError: an unknown name.
        ValueError: a setting that this data set does not take, or one that it needs and was not
            given; otherwise as the function of the data set.
    """
    settings = {name: value for name, value in given.items() if value is not None}
    refused = [name for name in settings if name not in TAKEN[dataset]]
    if refused:
        others = [other for other, taken in TAKEN.items() if set(refused) <= set(taken)]
        instead = f", or prepare {' or '.join(others)}" if others else ""
        raise ValueError(
            f"The files of {dataset} leave no choice of {', '.join(refused)}. "
            f"Leave that out{instead}."
        )
    if dataset == "nsd" and settings.get("protocol") in EXPERIMENT_OF:
        _require_transfer(settings)
        return prepare_transfer(root, subject=subject, out=out, progress=progress, **settings)
    if "task" in settings:
        raise ValueError(
            "Only nsd-imagery has tasks. Leave --task out, or add --protocol nsd-imagery."
        )
    absent = [name for name in NEEDED.get(dataset, ()) if name not in settings]
    if absent:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in absent)
        raise ValueError(
            f"The files of {dataset} hold no pictures. Say with {options} where they are."
        )
    peer = settings.pop("peer", None)
    if peer is not None:
        settings = with_preset(peer, settings)
    prepare_of = {
        "nsd": nsd.prepare_nsd,
        "mindeye1": prepare_mindeye1,
        "mindeye2": prepare_mindeye2,
        "laion-fmri": prepare_laion_fmri,
        "mosaic": prepare_mosaic,
        "things-fmri": prepare_things,
    }
    return prepare_of[dataset](root, subject=subject, out=out, progress=progress, **settings)


def _require_transfer(settings: Mapping[str, Any]) -> None:
    """Refuses what one session that only tests leaves no choice of."""
    reason_of = {
        "sessions": "it has one session",
        "seed": "it has no validation images to choose",
        "peer": "no preset of a published system is known for it",
    }
    for name, reason in reason_of.items():
        if name in settings:
            raise ValueError(f"{settings['protocol']} takes no --{name}: {reason}. Leave that out.")

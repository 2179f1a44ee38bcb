"""Protocols with names: which sessions, and which images are the test; by image, never by trial.

| protocol | sessions | training | test |
|---|---|---|---|
| `nsd-40-new_test` | any | own images | all shared images |
| `nsd-37-avg` | all but the last three | own images | all shared images |
| `nsd-special515` | 1 to 30 at least | own images | shared images seen 3 times by all |
| `nsd-session-heldout` | any, four or more | of all but the last three | of the last three alone |

Some training images become the validation, whatever the protocol. Test trials stay single here:
decoding averages the repeats of an image.

`nsd-37-avg` is the first release, up to which papers of before 2023-08-20 go. Subjects 1, 2, 5 and
7 have 982 shared and 8,859 own images in its 37 sessions; the others have 29 or 27 sessions.

`nsd-special515` leaves the other 485 shared images out of every split: its training images are
those of `nsd-40-new_test`, so that results differ by the test alone.

`nsd-session-heldout` removes an image that was also shown in an earlier session from the test, not
from the training: nine of ten images of the last sessions were shown before, and without them the
training would be chosen by what the test shows. Their trials in the last sessions are in no split.
Shared images have no special place, as in Algonauts 2023 (its test of subject 1 has 159 images).

`nsd-synthetic` and `nsd-imagery` only test what one of these trained: see `mindeye.data.transfer`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mindeye import nsd_layout as layout
from mindeye.data.design import Design
from mindeye.data.splits import VALIDATION_SHARE, split_images, trials_of_split
from mindeye.data.transfer.trials import EXPERIMENT_OF

DEFAULT_PROTOCOL = "nsd-40-new_test"
SESSIONS_OF_LATER_RELEASE = 3
"""The last ones of every subject, held back until 2023-08-20 (NSD Data Manual)."""
HELD_OUT_SESSIONS = 3
KNOWN_IMAGES: dict[str, dict[str, int]] = {
    "nsd-37-avg": {"test": 982, "own": 8859},
    "nsd-special515": {"test": 515},
}
"""Of NSD itself: in `nsd-37-avg` of the subjects with 40 sessions, else of all."""


Sessions = tuple[int, ...]


class Assignment(NamedTuple):
    """Which trials are for what."""

    splits: dict[str, Int[np.ndarray, "_"]]
    """Ascending image ids."""
    test_sessions: Sessions = ()
    """Sessions that are for the test alone; () where every session is for every split."""

    def members(
        self, image_ids: Int[np.ndarray, "trials"], session: int
    ) -> dict[str, Bool[np.ndarray, "trials"]]:
        """For each split, which trials of a session belong to it."""
        shown = {split: trials_of_split(image_ids, self.splits, split) for split in self.splits}
        if session not in self.test_sessions:
            return shown
        nothing = np.zeros(len(image_ids), dtype=bool)
        return {split: rows if split == "test" else nothing for split, rows in shown.items()}


class Protocol(NamedTuple):
    """How sessions are chosen and images assigned."""

    sessions: Callable[[int, Sessions | None, Sessions], Sessions]
    """(subject, asked for, there) -> those to prepare, ascending."""
    images: Callable[[Design, np.ndarray, Sessions], tuple[np.ndarray, np.ndarray]]
    """(design, trials shown, sessions) -> trials of images in any split, and in the test."""
    num_test_sessions: int = 0
    """The last ones, which are for the test alone."""


def protocol_of(name: str) -> Protocol:
    """The protocol with a name.

    Raises:
        LookupError: lists the names.
    """
    if name in EXPERIMENT_OF:
        raise LookupError(
            f"`{name}` only tests: see `mindeye.data.transfer.prepare.prepare_transfer`, or "
            "`mindeye prepare nsd --protocol`."
        )
    if name not in PROTOCOLS:
        raise LookupError(f"Unknown protocol `{name}`. Pick one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def assign(
    name: str,
    design: Design,
    sessions: Sequence[int],
    *,
    seed: int,
    validation_share: float = VALIDATION_SHARE,
) -> Assignment:
    """Assigns the trials of some sessions by a protocol.

    Raises:
        LookupError: unknown protocol.
        ValueError: a split would be empty.
    """
    protocol, sessions = protocol_of(name), tuple(sessions)
    used, is_test = protocol.images(design, np.isin(design.sessions, sessions), sessions)
    splits = split_images(
        design.image_ids[used], is_test[used], seed=seed, validation_share=validation_share
    )
    return Assignment(splits, sessions[len(sessions) - protocol.num_test_sessions :])


def unlike_nsd(name: str, subject: int, assignment: Assignment) -> str | None:
    """What tells a design from NSD's own, or None; for trees that claim to be real."""
    known = KNOWN_IMAGES.get(name, {})
    if name == "nsd-37-avg" and layout.SESSIONS[subject] < layout.NUM_SESSIONS:
        return None
    splits = assignment.splits
    found = {"test": len(splits["test"]), "own": len(splits["train"]) + len(splits["validation"])}
    differing = [one for one in known if found[one] != known[one]]
    return " and ".join(f"{found[one]} {one} images, not {known[one]}" for one in differing) or None


def _any(subject: int, asked: Sessions | None, there: Sessions) -> Sessions:
    return there if asked is None else asked


def _first_release(subject: int, asked: Sessions | None, there: Sessions) -> Sessions:
    wanted = tuple(range(1, layout.SESSIONS[subject] - SESSIONS_OF_LATER_RELEASE + 1))
    if asked not in (None, wanted):
        raise ValueError(
            f"nsd-37-avg takes sessions 1 to {wanted[-1]} of subject {subject}, not {list(asked)}. "
            "Leave the sessions out, or choose another protocol."
        )
    return wanted


def _all_that_everyone_has(subject: int, asked: Sessions | None, there: Sessions) -> Sessions:
    sessions = _any(subject, asked, there)
    missing = sorted({*range(1, min(layout.SESSIONS.values()) + 1)} - {*sessions})
    if missing:
        raise ValueError(
            f"nsd-special515 tests images whose three showings lie in sessions 1 to "
            f"{min(layout.SESSIONS.values())}, but {missing} are left out. "
            "Add them, or choose another protocol."
        )
    return sessions


def _more_than_held_out(subject: int, asked: Sessions | None, there: Sessions) -> Sessions:
    sessions = _any(subject, asked, there)
    if len(sessions) <= HELD_OUT_SESSIONS:
        raise ValueError(
            f"nsd-session-heldout tests the last {HELD_OUT_SESSIONS} sessions, but there are only "
            f"{list(sessions)}. Take more sessions, or choose another protocol."
        )
    return sessions


def _shared_images(
    design: Design, shown: Bool[np.ndarray, "trials"], sessions: Sessions
) -> tuple[Bool[np.ndarray, "trials"], Bool[np.ndarray, "trials"]]:
    return shown, design.is_shared


def _special_images(
    design: Design, shown: Bool[np.ndarray, "trials"], sessions: Sessions
) -> tuple[Bool[np.ndarray, "trials"], Bool[np.ndarray, "trials"]]:
    is_special = np.isin(design.image_ids, seen_three_times_by_all(design))
    return shown & (is_special | ~design.is_shared), is_special


def _new_images(
    design: Design, shown: Bool[np.ndarray, "trials"], sessions: Sessions
) -> tuple[Bool[np.ndarray, "trials"], Bool[np.ndarray, "trials"]]:
    """Those that were first shown in the last sessions."""
    earlier = shown & np.isin(design.sessions, sessions[:-HELD_OUT_SESSIONS])
    return shown, ~np.isin(design.image_ids, design.image_ids[earlier])


def seen_three_times_by_all(design: Design) -> Int[np.ndarray, "images"]:
    """Shared images whose three showings lie in the sessions that all eight subjects have.

    The order of showings is the same for every subject, so one design tells of all.
    """
    of_all = design.is_shared & (design.sessions <= min(layout.SESSIONS.values()))
    image_ids, counts = np.unique(design.image_ids[of_all], return_counts=True)
    return image_ids[counts == layout.REPEATS_PER_IMAGE]


PROTOCOLS: dict[str, Protocol] = {
    DEFAULT_PROTOCOL: Protocol(_any, _shared_images),
    "nsd-37-avg": Protocol(_first_release, _shared_images),
    "nsd-special515": Protocol(_all_that_everyone_has, _special_images),
    "nsd-session-heldout": Protocol(_more_than_held_out, _new_images, HELD_OUT_SESSIONS),
}


def transductive_steps(protocol: str, zscore: str) -> list[str]:
    """Flags of what sees the test: its trials, or only the sessions that are held out."""
    if zscore == "session-all":
        return ["zscore:session-all"]
    if (protocol, zscore) == ("nsd-session-heldout", "session-train"):
        return ["zscore:held-out-sessions"]
    return []

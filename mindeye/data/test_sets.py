"""Which test set some images are, told from their ids, and what must not be among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from mindeye import nsd_layout as layout
from mindeye.data.batches import PreparedSubject
from mindeye.data.design import Design
from mindeye.data.protocols import DEFAULT_PROTOCOL, SESSIONS_OF_LATER_RELEASE, assign

ImageIds = Int[np.ndarray, "_"]

SHARED_PROTOCOLS = (DEFAULT_PROTOCOL, "nsd-37-avg", "nsd-special515")
"""Those whose test holds shared images alone."""
TEST_OF_COUNT: Mapping[int, str] = {
    1000: f"{DEFAULT_PROTOCOL} of subjects 1, 2, 5 and 7",
    982: "nsd-37-avg of subjects 1, 2, 5 and 7",
    930: f"{DEFAULT_PROTOCOL} of subjects 3 and 6",
    907: f"{DEFAULT_PROTOCOL} of subjects 4 and 8",
    515: "nsd-special515",
}
"""Test images of NSD's subjects with all their sessions (NSD Data Manual)."""


@dataclass(frozen=True, kw_only=True)
class KnownTests:
    """What a prepared folder or a design tells of one subject's images."""

    where: str
    subject: int | None
    """None where only the images are known that all subjects share."""
    tests: Mapping[str, ImageIds]
    """Protocol -> ascending ids of its test images."""
    training: ImageIds
    """Ascending ids, without validation images."""
    validation: ImageIds = field(default_factory=lambda: np.empty(0, dtype=np.int64))


class TestSet(NamedTuple):
    """How a set of images is called, and how sure that is."""

    __test__ = False  # pytest takes it for tests otherwise

    protocol: str | None
    certainty: str
    """`checked`: these are exactly the images. `part`: some of them. `probable`: only the count
    fits. `unknown`."""
    words: str
    """The same as a sentence."""


def known_from_prepared(prepared: PreparedSubject) -> KnownTests:
    """What a prepared folder knows: its own protocol."""
    return KnownTests(
        where=str(prepared.path),
        subject=prepared.subject,
        tests={prepared.manifest["protocol"]: prepared.image_ids_of("test")},
        training=prepared.image_ids_of("train"),
        validation=prepared.image_ids_of("validation"),
    )


def known_from_design(where: str, design: Design, subject: int | None) -> KnownTests:
    """The tests of NSD's design with all sessions that the subject has.

    Args:
        subject: None where it is not known whose pictures these are. The order of showings is the
            same for all, so that the shared images of subject 1's design stand for those of every
            subject with 40 sessions.
    """
    number = design.subject
    tests = {}
    for protocol in SHARED_PROTOCOLS:
        left_out = SESSIONS_OF_LATER_RELEASE if protocol == "nsd-37-avg" else 0
        sessions = range(1, layout.SESSIONS[number] + 1 - left_out)
        tests[protocol] = assign(protocol, design, sessions, seed=0).splits["test"]
    own = np.unique(design.image_ids[~design.is_shared])
    return KnownTests(where=where, subject=subject, tests=tests, training=own)


def name_test_set(image_ids: ImageIds, known: KnownTests | None) -> TestSet:
    """Names the test that some images are, as far as it is known.

    Raises:
        ValueError: images of the training, or of the validation and of a test together.
    """
    if known is None:
        return _by_count(len(image_ids))
    _require_no_training(image_ids, known)
    if np.isin(image_ids, known.validation).all():
        said = f"{len(image_ids)} of {len(known.validation)} validation images of {known.where}"
        return TestSet(None, "checked", f"{said}: for choosing settings, not for results.")
    for protocol, test in sorted(known.tests.items(), key=lambda one: len(one[1])):
        if np.array_equal(np.sort(image_ids), test):
            return TestSet(protocol, "checked", f"All {len(test)} test images of {protocol}.")
    for protocol, test in sorted(known.tests.items(), key=lambda one: len(one[1])):
        if np.isin(image_ids, test).all():
            said = f"{len(image_ids)} of the {len(test)} test images of {protocol}, not all."
            return TestSet(protocol, "part", said)
    said = f"{len(image_ids)} images, some in no test set that {known.where} tells of."
    return TestSet(None, "unknown", said)


def _by_count(count: int) -> TestSet:
    unchecked = "no prepared folder or NSD design was given to check the ids, or to look for "
    unchecked += "training images"
    if count not in TEST_OF_COUNT:
        return TestSet(None, "unknown", f"{count} images of an unknown test set: {unchecked}.")
    name = TEST_OF_COUNT[count]
    said = f"Probably {name}, which has {count} images: {unchecked}."
    return TestSet(name.split()[0], "probable", said)


def _require_no_training(image_ids: ImageIds, known: KnownTests) -> None:
    whose = "some subject" if known.subject is None else f"subject {known.subject}"
    trained = image_ids[np.isin(image_ids, known.training)]
    if len(trained):
        raise ValueError(
            f"{len(trained)} of {len(image_ids)} images are training images of {whose} "
            f"({known.where}), first ids {trained[:5].tolist()}. Evaluate test images alone."
        )
    validated = image_ids[np.isin(image_ids, known.validation)]
    if 0 < len(validated) < len(image_ids):
        raise ValueError(
            f"{len(validated)} of {len(image_ids)} images are validation images of {whose} "
            f"({known.where}), first ids {validated[:5].tolist()}, and the others are not. "
            "Evaluate one split at a time."
        )

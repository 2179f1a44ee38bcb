"""Reconstructions beside the images that were shown, matched by id."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.data.test_sets import KnownTests, TestSet, name_test_set
from mindeye.reconstruction.saved_pictures.checked import CheckedPictures, examined
from mindeye.reconstruction.saved_pictures.ids import ids_of, matched
from mindeye.reconstruction.saved_pictures.opening import open_pictures
from mindeye.reconstruction.saved_pictures.ours import known_tests
from mindeye.reconstruction.saved_pictures.stored import StoredPictures


@dataclass(frozen=True, kw_only=True)
class PicturesAsked:
    """What the user said of pictures that are to be compared."""

    reconstructions: Path
    images: Path
    """Those that were shown."""
    ids: Path | None = None
    """Of the reconstructions, where they tell none."""
    images_ids: Path | None = None
    order: str | None = None
    """Protocol whose test images, ascending, all pictures without ids are."""
    value_range: str | None = None
    images_range: str | None = None
    data: Path | None = None
    """A prepared folder or an NSD tree that tells test from training images."""
    subject: int | None = None


@dataclass(frozen=True, kw_only=True)
class PicturePair:
    """Both kinds of pictures, the same images in ascending order of id."""

    image_ids: Int[np.ndarray, "images"]
    reconstructed: CheckedPictures
    shown: CheckedPictures
    test_set: TestSet
    subject: int | None
    simulated: Mapping[str, Any] | None
    notes: tuple[str, ...]


def matched_pair(asked: PicturesAsked) -> PicturePair:
    """Opens, matches and examines both kinds of pictures; nothing is left unchecked.

    Raises:
        FileNotFoundError: something is missing.
        FloatingPointError: NaN or infinity.
        LookupError: an unknown form, or a reconstruction of an image that is not among the shown.
        ValueError: damaged files, no or ambiguous ids, training images, values of several
            meanings, a blank shown image, fewer than two images, or other subjects.
    """
    drawn = open_pictures(asked.reconstructions, subject=asked.subject)
    subject = asked.subject if asked.subject is not None else drawn.about.get("subject")
    seen = open_pictures(asked.images, subject=subject)
    known = known_tests(asked.data, subject) if asked.data else seen.tests and seen.tests()
    ids = _ids_of_both(asked, drawn, seen, known)
    rows = np.argsort(ids[0], kind="stable")
    image_ids = ids[0][rows]
    if len(image_ids) < 2:
        raise ValueError(
            f"{asked.reconstructions} holds {len(image_ids)} picture. Intervals and "
            "identification need at least two images."
        )
    where = (asked.reconstructions, asked.images)
    shown_rows = matched(image_ids, ids[1], where)
    _require_one_subject(where, drawn.about.get("subject"), seen.about.get("subject"), known)
    test_set = name_test_set(image_ids, known)
    reconstructed = examined(
        drawn, image_ids, rows, option="--range", asked_range=asked.value_range
    )
    shown = examined(
        seen, image_ids, shown_rows, option="--images-range", asked_range=asked.images_range
    )
    _require_content(shown)
    tested = subject if subject is not None else seen.about.get("subject")
    return PicturePair(
        image_ids=image_ids,
        reconstructed=reconstructed,
        shown=shown,
        test_set=test_set,
        subject=known.subject if tested is None and known is not None else tested,
        simulated=drawn.simulated if drawn.simulated is not None else seen.simulated,
        notes=_notes(reconstructed, shown, seen),
    )


def _ids_of_both(
    asked: PicturesAsked, drawn: StoredPictures, seen: StoredPictures, known: KnownTests | None
) -> tuple[np.ndarray, np.ndarray]:
    needs_order = any(
        one.image_ids is None and ids is None
        for one, ids in ((drawn, asked.ids), (seen, asked.images_ids))
    )
    if asked.order is not None and not needs_order:
        raise ValueError(
            f"--order {asked.order} is for pictures without ids, but {asked.reconstructions} and "
            f"{asked.images} have theirs. Leave it out."
        )
    return tuple(
        ids_of(one, ids_file=ids, order=asked.order, known=known, option=option)
        for one, ids, option in (
            (drawn, asked.ids, "--ids"),
            (seen, asked.images_ids, "--images-ids"),
        )
    )


def _require_one_subject(
    where: tuple[Path, Path], drawn: int | None, seen: int | None, known: KnownTests | None
) -> None:
    tells = seen if seen is not None else known and known.subject
    if drawn is not None and tells is not None and drawn != tells:
        raise ValueError(
            f"{where[0]} was decoded from subject {drawn}, but {where[1]} tells the images of "
            f"subject {tells}. Give the images of one subject."
        )


def _require_content(shown: CheckedPictures) -> None:
    if len(shown.blank):
        raise ValueError(
            f"{shown.stored.path}: {len(shown.blank)} shown images are blank (all values equal), "
            f"first ids {shown.blank[:5].tolist()}. Were they never written?"
        )


def _notes(
    reconstructed: CheckedPictures, shown: CheckedPictures, seen: StoredPictures
) -> tuple[str, ...]:
    notes = [f"Reconstructions: {note}" for note in reconstructed.notes]
    notes += [f"Shown images: {note}" for note in shown.notes]
    blank, count = reconstructed.blank, len(reconstructed.image_ids)
    if len(blank):
        notes.append(
            f"{len(blank)} of {count} reconstructions are blank, first ids {blank[:5].tolist()}; "
            "their pixel correlation counts as 0."
        )
    # Whole data sets hold more by design; what of their test was left out, the test set says.
    if seen.tests is None and count < seen.count and "NSD" not in seen.form:
        notes.append(
            f"{seen.count - count} of {seen.count} shown images have no reconstruction and are "
            "left out."
        )
    return tuple(notes)

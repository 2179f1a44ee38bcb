"""Pictures for a comparison: which images, and what every system drew of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.stats import rankdata

from mindeye.metrics.pixels import resize
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.saved_pictures.opening import checksum_of, open_pictures
from mindeye.reconstruction.saved_pictures.value_range import as_unit_images
from mindeye.report.grids import PictureGrid
from mindeye.verbs.evaluation.evaluated import EvaluatedSystem

NUM_RANDOM, NUM_EXTREME = 12, 6
SHOWN = "shown"
THUMBNAIL = 16
# Correlation of thumbnails; formats, sizes and JPEG leave it above 0.95.
SAME_PICTURE = 0.8
ImageIds = Int[np.ndarray, "images"]


class PicturesGoneError(LookupError):
    """Pictures that were evaluated are not there any more, or are others."""


def picture_grids(
    systems: Sequence[EvaluatedSystem],
    image_ids: ImageIds,
    ranks: Float[np.ndarray, "images"],
    seed: int,
) -> tuple[list[PictureGrid], list[str]]:
    """Images drawn at random, the best and the worst; and a note for each column that is gone.

    Args:
        ranks: of each image, how well all systems do on it: 0 is worst, 1 best.
    """
    columns, notes = {}, []
    opened = [(SHOWN, systems[0], "images")]
    opened += [(one.name, one, "reconstructions") for one in systems]
    for label, system, kind in opened:
        try:
            columns[label] = _Column(system.content["inputs"][kind])
        except PicturesGoneError as error:
            notes.append(f"No pictures of `{label}`: {error}")
    if len(columns) < 2:
        return [], notes
    total = len(image_ids)
    rng = np.random.default_rng(seed)
    order = np.argsort(-ranks, kind="stable")
    few = min(NUM_EXTREME, total // 2)
    chosen = [
        ("Images drawn at random", np.sort(rng.permutation(total)[:NUM_RANDOM]), seed,
         "of {total} images, drawn at random and none left out: the only pictures here that show "
         "what to expect."),
        ("Best images", order[:few], None, "of {total} images on which all systems together do "
         "best, by mean rank over systems and metrics: chosen by the score, not typical."),
        ("Worst images", order[::-1][:few], None, "of {total} images on which all systems together "
         "do worst, by the same rank: chosen by the score, not typical."),
    ]  # fmt: skip
    grids = [
        PictureGrid(
            title=title,
            chosen=f"{len(rows)} {words.format(total=total)}",
            seed=drawn,
            image_ids=image_ids[rows],
            columns={label: column.pictures(image_ids[rows]) for label, column in columns.items()},
        )
        for title, rows, drawn, words in chosen
    ]
    return grids, notes


def require_same_shown(
    systems: Sequence[EvaluatedSystem], image_ids: ImageIds, seed: int
) -> list[str]:
    """Looks whether an id is the same picture for all: ids of two data sets, or from 1, are not.

    Some images drawn at random are compared, as small pictures. What cannot be looked at is noted.

    Raises:
        ValueError: names the first image that is another one.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(image_ids)[:NUM_RANDOM])
    first, small, notes = systems[0], None, []
    for other in systems[1:]:
        recorded = [one.content["inputs"]["images"] for one in (first, other)]
        if recorded[0]["sha256"] == recorded[1]["sha256"]:
            continue
        try:
            small = _small(_Column(recorded[0]), chosen) if small is None else small
            theirs = _small(_Column(recorded[1]), chosen)
        except PicturesGoneError as error:
            notes.append(f"Whether {first.name} and {other.name} had the same images: {error}")
            continue
        likeness = (small * theirs).mean(1)
        if likeness.min() < SAME_PICTURE:
            worst = int(chosen[likeness.argmin()])
            raise ValueError(
                f"Image {worst} is another picture for {first.name} ({recorded[0]['path']}) than "
                f"for {other.name} ({recorded[1]['path']}). Are their ids of one data set, and "
                "counted from 0 in both?"
            )
    return notes


def mean_ranks(
    scores: Mapping[str, Mapping[str, Float[np.ndarray, "images"]]], better: Mapping[str, str]
) -> Float[np.ndarray, "images"]:
    """Of each image, its mean rank over systems and metrics, from 0 (worst) to 1 (best)."""
    ranks = []
    for of_metric in scores.values():
        for metric, values in of_metric.items():
            turned = values if better[metric] == "higher" else -values
            ranks.append((rankdata(turned) - 1) / (len(values) - 1))
    return np.mean(ranks, axis=0)


def _small(column: "_Column", image_ids: ImageIds) -> Float[np.ndarray, "images values"]:
    """Standardised thumbnails, whose mean product is a correlation."""
    images = resize(as_images(column.pictures(image_ids)), THUMBNAIL, antialias=True)
    values = images.flatten(1).double().numpy()
    values -= values.mean(1, keepdims=True)
    return values / values.std(1, keepdims=True)


class _Column:
    """The pictures of one input of an evaluation."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        path = Path(recorded["path"])
        try:
            stored = open_pictures(path)
        except (FileNotFoundError, LookupError, ValueError) as error:
            raise PicturesGoneError(str(error)) from error
        if checksum_of(stored) != recorded["sha256"]:
            raise PicturesGoneError(f"{path} has changed since it was evaluated.")
        ids = stored.image_ids if stored.image_ids is not None else np.array(recorded["image_ids"])
        self.row_of = {image_id: row for row, image_id in enumerate(ids.tolist())}
        self.stored = stored
        self.value_range = recorded.get("values", "0..255")

    def pictures(self, image_ids: ImageIds) -> UInt8[np.ndarray, "images height width 3"]:
        rows = np.array([self.row_of[image_id] for image_id in image_ids.tolist()])
        return as_pictures(as_unit_images(self.stored.read(rows), self.value_range))

"""What was decoded of a scan, and what of it stands on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from mindeye.data.scans.results import CheckResult
from mindeye.metrics.statistics import metric_row
from mindeye.pictures import save_png
from mindeye.reconstruction.image_decoder import ImageDecoder
from mindeye.reconstruction.null_decode import NullComparison
from mindeye.reconstruction.repeat_likeness import RepeatLikeness
from mindeye.report.grids import PictureGrid, contact_sheet
from mindeye.types import MetricRow
from mindeye.verbs.decoding.decode_gallery import Gallery, hit_row

SCAN, SHUFFLED = "this scan", "voxels shuffled"
GRID_IMAGES = 12
TRIAL_COLUMNS = ("trial", "name", "image_id", "session", "run", "repeat", "statistics")


@dataclass(frozen=True, kw_only=True)
class TrialLine:
    """One trial of the scan as trials.tsv tells it."""

    number: int | None
    """Of the image that it was decoded with; None where it was left out."""
    cells: tuple[object, ...]
    """Of `TRIAL_COLUMNS`."""


@dataclass(frozen=True, kw_only=True)
class DecodedScan:
    """All that was decoded of a scan."""

    decoder: ImageDecoder
    arrays: Mapping[str, np.ndarray]
    """First axis images; `seconds` are those of `STAGES`."""
    repeats_of: Mapping[int, Float32[np.ndarray, "repeats voxels"]]
    """Image number -> z-scored betas, in the order of `arrays`."""
    trials: Sequence[TrialLine]
    image_ids_known: bool
    """Whether image numbers are image ids; else they are trial numbers."""
    checks: Sequence[CheckResult]
    about: Mapping[str, Any]
    scan: Mapping[str, Any]
    notes: Sequence[str]

    @cached_property
    def numbers(self) -> Int[np.ndarray, "images"]:
        return self.arrays["image_ids"]

    def sessions_of(self) -> dict[int, list[int | None]]:
        """Image number -> session of each of its trials, in the order of `repeats_of`."""
        column = TRIAL_COLUMNS.index("session")
        found: dict[int, list[int | None]] = {number: [] for number in self.repeats_of}
        for trial in self.trials:
            if trial.number is not None:
                found[trial.number].append(trial.cells[column])
        return found


def score_rows(
    decoded: DecodedScan,
    comparison: NullComparison | None,
    likeness: RepeatLikeness | None,
    null: Mapping[str, np.ndarray],
    shown: Int[np.ndarray, "shown"],
    gallery: Gallery | None,
    found: np.ndarray | None,
) -> list[MetricRow]:
    rng = np.random.default_rng(decoded.decoder.config.seed)
    rows = []
    if comparison is not None:
        metric = "embedding spread (mean of 1 - cosine)"
        rows.append(metric_row(SCAN, metric, comparison.spread_of_trials, rng, chance=None))
        rows.append(
            MetricRow(
                system=f"{SHUFFLED}, {len(comparison.null)} times",
                metric=metric,
                value=float(np.mean(comparison.null)),
                low=min(comparison.null),
                high=max(comparison.null),
                n=comparison.num_trials,
                chance=None,
                better="higher",
            )
        )
    if "scores" in null and len(shown) > 1:
        metric = "second-order score (picture against embedding)"
        scores = {SCAN: decoded.arrays["scores"][shown], SHUFFLED: null["scores"]}
        for system, values in scores.items():
            rows.append(metric_row(system, metric, values.max(1), rng, chance=None))
    if decoded.image_ids_known and found is not None and gallery.knows(decoded.numbers):
        total = len(gallery.image_ids)
        rows.append(hit_row(SCAN, decoded.numbers, found, total))
        ids = gallery.find(null["embeddings"])
        rows.append(hit_row(SHUFFLED, decoded.numbers[shown], ids, total))
    if likeness is not None:
        metric = "embedding likeness of trials (cosine)"
        for system, values, better in (
            (f"{SCAN}, repeats of an image", likeness.alike, "higher"),
            (f"{SCAN}, different images", likeness.different, "lower"),
        ):
            rows.append(metric_row(system, metric, values, rng, chance=None, better=better))
    return rows


def picture_grids(
    out: Path,
    decoded: DecodedScan,
    null: Mapping[str, np.ndarray],
    shown: Int[np.ndarray, "shown"],
    gallery: Gallery | None,
    found: np.ndarray | None,
) -> list[PictureGrid]:
    numbers, columns = decoded.numbers[shown], {}
    for label, name in (("blurry", "blurry"), ("decoded", "pictures")):
        if name in decoded.arrays:
            columns[label] = decoded.arrays[name][shown]
    if "pictures" in null:
        columns[SHUFFLED] = null["pictures"]
    if not columns:
        return []
    side = next(iter(columns.values())).shape[1]
    retrieved, ids = None, None
    if found is not None:
        ids = found[shown]
        retrieved = gallery.pictures(ids.ravel(), side).reshape(*ids.shape, side, side, 3)
        lines = {f"found {rank + 1}": retrieved[:, rank] for rank in range(ids.shape[1])}
        save_png(contact_sheet({**columns, **lines}), out / "retrieved.png")
        if decoded.image_ids_known and gallery.knows(numbers):
            columns = {"shown": gallery.pictures(numbers, side), **columns}
    all_of_them = len(shown) == len(decoded.numbers)
    chosen = "All" if all_of_them else f"{len(shown)} of {len(decoded.numbers)}"
    drawn = "." if all_of_them else ", drawn at random; none left out."
    what = "images" if decoded.image_ids_known else "trials"
    return [
        PictureGrid(
            title="Decoded, and the same scan with its voxels shuffled",
            chosen=f"{chosen} decoded {what}{drawn}",
            seed=None if all_of_them else decoded.decoder.config.seed,
            image_ids=numbers,
            columns=columns,
            retrieved=retrieved,
            retrieved_ids=ids,
        )
    ]

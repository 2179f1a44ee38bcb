"""The checks of a scan that need its betas; those of its voxels are in `grid` and `voxels`."""

from collections import Counter
from collections.abc import Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import CheckResult, failed, passed, skipped
from mindeye.data.scans.table import TrialTable
from mindeye.data.scans.units import knows_statistics, training_statistics
from mindeye.data.zscore import MAX_INVALID_SHARE

MIN_TRIALS, ENOUGH_TRIALS = 20, 50
"""Own statistics are refused below the first and reported as rough below the second."""
MIN_CORRELATION = 0.3
"""Of a mean map over many trials with the training's; below it is another brain or order."""
_MARGIN = 0.2
_WITHOUT_REPEATS = ("TYPEC", "TYPED")


def unusable_voxels(betas: Float32[np.ndarray, "trials voxels"]) -> Bool[np.ndarray, "voxels"]:
    """Voxels with a NaN or infinity in any trial, or without any change over several."""
    finite = np.isfinite(betas).all(0)
    if len(betas) < 2:
        return ~finite
    with np.errstate(invalid="ignore"):
        return ~finite | ~(np.ptp(betas, axis=0) > 0)


def check_unusable_voxels(
    betas: Float32[np.ndarray, "trials voxels"], bundle: VoxelBundle
) -> CheckResult:
    """Up to 1 % of the voxels may be unusable; they count as their training mean."""
    bad = unusable_voxels(betas)
    count, total = int(bad.sum()), bundle.num_voxels
    if not count:
        return passed("unusable voxels", "Every voxel is finite and varies.")
    areas = {name: int((bad & inside).sum()) for name, inside in bundle.roi_of_voxels().items()}
    where = ", ".join(f"{name} {found}" for name, found in areas.items() if found)
    seen = f"{count} of {total} voxels ({count / total:.2%}) are constant or not finite"
    seen += f" ({where})." if where else "."
    if count > MAX_INVALID_SHARE * total:
        return failed(
            "unusable voxels",
            seen,
            "Did they leave the scanned slab, or was the scan masked with less than the model's "
            "ROI? At most 1 % can be filled.",
        )
    return passed("unusable voxels", seen, "They are filled with the training mean.")


def check_normalisation(num_trials: int, units: str, bundle: VoxelBundle) -> CheckResult:
    """Which statistics can turn these betas into z."""
    if units == "z":
        return passed("normalisation", "The betas are z-scored already and taken as they are.")
    own = refusal_of_own(num_trials)
    if knows_statistics(bundle):
        also = own or f"So can those of its own {num_trials} trials, all seen at once"
        also += " (rough: 50 are better)." if not own and num_trials < ENOUGH_TRIALS else "."
        return passed("normalisation", f"The model's training statistics can be used. {also}")
    if own:
        return failed(
            "normalisation",
            f"The model came without training statistics. {own}.",
            "Give more trials, or z-scored betas with --units z.",
        )
    return passed("normalisation", f"Only the scan's own {num_trials} trials can z-score it.")


def refusal_of_own(num_trials: int) -> str | None:
    """Why a scan's own trials cannot z-score it, without a full stop; None where they can."""
    if num_trials >= MIN_TRIALS:
        return None
    return f"Its own {num_trials} trials are too few (at least {MIN_TRIALS})"


class MapComparison(NamedTuple):
    """Correlations over voxels with the training's mean map."""

    correlation: float
    least: float
    """What it has to reach, given the noise in so few trials."""


def compare_mean_maps(
    betas: Float32[np.ndarray, "trials voxels"], bundle: VoxelBundle
) -> MapComparison | None:
    """The mean over trials against the model's; None where the model's says nothing."""
    trained = training_statistics(bundle) if knows_statistics(bundle) else None
    if trained is None:
        return None
    used = trained.usable & ~unusable_voxels(betas)
    if used.sum() < 3 or not np.ptp(trained.mean[used]) > 0:
        return None
    mean = betas[:, used].mean(0, dtype=np.float64)
    signal = np.var(trained.mean[used], dtype=np.float64)
    noise = np.mean(trained.std[used].astype(np.float64) ** 2) / len(betas)
    least = MIN_CORRELATION * float(np.sqrt(signal / (signal + noise)))
    return MapComparison(_correlation(mean, trained.mean[used]), least)


def check_mean_map(
    betas: Float32[np.ndarray, "trials voxels"],
    units: str,
    bundle: VoxelBundle,
    mean_volume: Float[np.ndarray, "x y z"] | None,
) -> CheckResult:
    """The mean over trials must look like the training's: the same brain in the same order."""
    name = "mean map"
    if units == "z":
        return skipped(name, "Z-scored betas have no mean map.")
    compared = compare_mean_maps(betas, bundle)
    if compared is None:
        return skipped(name, "The model has no mean map to compare with.")
    seen = f"The mean map correlates {compared.correlation:.2f} with the training's"
    # Also of one that correlates well: brains are nearly symmetric.
    found = _better_fit(betas, bundle, mean_volume, compared)
    if found:
        return failed(name, f"{seen}: {found[0]}.", found[1])
    if compared.correlation >= compared.least:
        return passed(name, f"{seen} (at least {compared.least:.2f}).")
    return failed(
        name,
        f"{seen}, less than {compared.least:.2f}.",
        "Is it another subject, are its voxels in another order, or is it misregistered?",
    )


def _better_fit(
    betas: Float32[np.ndarray, "trials voxels"],
    bundle: VoxelBundle,
    mean_volume: Float[np.ndarray, "x y z"] | None,
    compared: MapComparison,
) -> tuple[str, str] | None:
    """What was seen and what to do, if turning or reordering makes the map fit much better."""
    if bundle.coordinates is None:
        return None
    candidates: dict[tuple[str, str], np.ndarray] = {}
    where = tuple(bundle.coordinates.T.astype(np.int64))
    if mean_volume is not None and mean_volume.shape == bundle.shape:
        for axis, letter in enumerate("xyz"):
            key = (
                f"with its {letter} axis flipped it would fit",
                "Save it in the orientation of the scans that the model was trained on.",
            )
            candidates[key] = np.flip(mean_volume, axis)[where]
    mean = betas.mean(0, dtype=np.float64)
    for letters, order in _orders(bundle).items():
        key = (
            f"the same voxels stand in another order, {letters} with the first slowest",
            "Put them in C order of the (x, y, z) mask.",
        )
        reordered = np.empty_like(mean)
        reordered[order] = mean
        candidates[key] = reordered
    trained = bundle.mean_map
    scores = {
        key: _correlation(values, trained)
        for key, values in candidates.items()
        if np.isfinite(values).all()
    }
    best = max(scores, key=scores.get, default=None)
    margin = min(_MARGIN, (1 - compared.correlation) / 2)
    fits = best is not None and scores[best] >= max(compared.least, compared.correlation + margin)
    return best if fits else None


def _orders(bundle: VoxelBundle) -> Mapping[str, np.ndarray]:
    """Other walks through the mask -> the model's voxel at each step of the walk."""
    x, y, z = bundle.coordinates.T
    axes = {"x": x, "y": y, "z": z}
    walks = ("".join(one) for one in permutations("xyz"))
    return {
        walk: np.lexsort([axes[letter] for letter in reversed(walk)])
        for walk in walks
        if walk != "xyz"
    }


def _correlation(first: Float[np.ndarray, "voxels"], second: Float[np.ndarray, "voxels"]) -> float:
    if not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def check_trials(table: TrialTable) -> CheckResult:
    """How betas and table go together; a table that does not is refused when it is read."""
    if table.source is None:
        return skipped(
            "trials",
            f"{len(table)} trials; no table says what was shown.",
            "Pass --trials to average repeats and to score.",
        )
    seen = f"{len(table)} trials, a row of {table.source} for each."
    if table.dropped:
        lines = ", ".join(str(line) for line in table.dropped[:5])
        seen += f" {len(table.dropped)} rows without an image were left out, first lines {lines}."
    return passed("trials", seen)


def check_repeats(table: TrialTable, form: str) -> CheckResult:
    """Repeats are averaged by image, and GLMsingle's later models need them."""
    images = [row.image for row in table.rows if row.image is not None]
    if not images:
        return skipped("repeats", "No table says which trials show the same image.")
    pairs = [(row.image, row.session, row.repeat) for row in table.rows if row.image is not None]
    num_images = len(set(images))
    (image, _, repeat), count = Counter(pairs).most_common(1)[0]
    if count > 1:
        return failed(
            "repeats",
            f"Image {image} has {count} trials that are all its repeat {repeat}.",
            "Number its repeats from 0, or leave out the column `repeat`.",
        )
    told = next((kind for kind in _WITHOUT_REPEATS if kind in form), None)
    if told and num_images == len(images):
        return failed(
            "repeats",
            f"None of {num_images} images repeats, but these betas say {told}: without repeats "
            "GLMsingle falls back to TYPEB without a word.",
            "Take TYPEB_FITHRF, and a model that was trained on such betas.",
        )
    return passed("repeats", f"{len(images)} trials of {num_images} images.")


def check_header(dtype: str, header: Mapping, num_trials: int) -> CheckResult:
    """Number of trials, time and number format as the file tells them."""
    parts = [f"{num_trials} trials of {dtype}"]
    if "float64" in dtype:
        parts.append("cast once to float32")
    parts += [f"{name.replace('_', ' ')} {value}" for name, value in header.items()]
    if not num_trials:
        return failed("header", "The file holds no trial.", "Give a scan with betas.")
    return passed("header", f"{', '.join(parts)}.")

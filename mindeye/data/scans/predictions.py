"""The last check, after decoding: generators make plausible pictures out of noise."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mindeye.data.scans.results import CheckResult, failed, passed

_NAME = "predictions"
_LEAST_SPREAD = 1e-3


def check_predictions(
    embeddings: Float[np.ndarray, "trials features"],
    null: Float[np.ndarray, "trials features"],
    images: Sequence[int | str | None] = (),
) -> CheckResult:
    """Whether predicted embeddings say something of the scan.

    Args:
        embeddings: of the scan; any length.
        null: of the same scan, shuffled over voxels, from the same model.
        images: what tells the image of each trial, where a table says so; repeats of an image must
            be more alike than trials of different ones.
    """
    if not np.isfinite(embeddings).all():
        bad = int((~np.isfinite(embeddings)).any(1).sum())
        return failed(
            _NAME,
            f"The predictions of {bad} of {len(embeddings)} trials are not finite.",
            "Were the betas z-scored with statistics of another unit?",
        )
    spread, spread_of_null = _spread(embeddings), _spread(null)
    seen = f"Predictions spread by {spread:.3f} around their mean (shuffled over voxels: "
    seen += (
        f"{spread_of_null:.3f}), and their mean has cosine {_cosine_of_means(embeddings, null):.2f}"
    )
    seen += " with the shuffled one's."
    if len(embeddings) > 1 and spread < _LEAST_SPREAD:
        return failed(
            _NAME, seen, "All trials are decoded as one picture: is this the model's scan?"
        )
    alike = _alikeness(embeddings, images)
    if alike is None:
        return passed(_NAME, seen, "Compare the pictures with the null's before you believe them.")
    same, other = alike
    seen += f" Trials of one image have cosine {same:.3f}, of different images {other:.3f}."
    if same <= other:
        return failed(
            _NAME, seen, "Repeats are not alike: does the table belong to this scan, in its order?"
        )
    return passed(_NAME, seen)


def _units(
    embeddings: Float[np.ndarray, "trials features"],
) -> Float[np.ndarray, "trials features"]:
    values = embeddings.astype(np.float64)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _spread(embeddings: Float[np.ndarray, "trials features"]) -> float:
    """1 - mean cosine of a trial with the mean over trials."""
    units = _units(embeddings)
    mean = units.mean(0)
    return float(1 - (units @ mean).mean() / max(np.linalg.norm(mean), 1e-12))


def _cosine_of_means(
    first: Float[np.ndarray, "trials features"], second: Float[np.ndarray, "trials features"]
) -> float:
    means = np.stack([_units(first).mean(0), _units(second).mean(0)])
    units = _units(means)
    return float(units[0] @ units[1])


def _alikeness(
    embeddings: Float[np.ndarray, "trials features"], images: Sequence[int | str | None]
) -> tuple[float, float] | None:
    """Mean cosine of pairs of trials with one image, and of pairs with two."""
    known = [trial for trial, image in enumerate(images) if image is not None]
    names = np.array([str(images[trial]) for trial in known])
    if len(set(names)) in (0, 1, len(names)):
        return None
    cosines = _units(embeddings)[known] @ _units(embeddings)[known].T
    same = names[:, None] == names[None]
    apart = ~np.eye(len(names), dtype=bool)
    return float(cosines[same & apart].mean()), float(cosines[~same].mean())

"""How far a picture can be trusted: doubts that need no truth, calibrated on validation images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import spearmanr
from sklearn.isotonic import IsotonicRegression

# With fewer images, a table of expectations is noise.
FEWEST_IMAGES = 30
TRUST = 0.8

PerImage = Float[np.ndarray, "images"]


@dataclass(frozen=True, kw_only=True)
class MonotoneMap:
    """A number that only rises, or only falls, with the doubt; straight between its points."""

    doubts: tuple[float, ...]
    """Ascending."""
    values: tuple[float, ...]

    def __call__(self, doubts: PerImage) -> PerImage:
        """Beyond the validation images' doubts, the value of the nearest."""
        return np.interp(doubts.astype(np.float64), self.doubts, self.values)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What pictures of validation images were worth, by the doubt about them."""

    measure: str
    """A key of `doubts_of`: the one that ranks the validation images best."""
    rank_correlations: Mapping[str, float]
    """Of each measure with two-way identification, on the validation images; -1 would be best."""
    two_way: MonotoneMap
    """Expected two-way identification by CLIP; falls."""
    clip_distance: MonotoneMap
    """Expected cosine distance between CLIP's tokens of the picture and of the true image."""
    num_images: int
    trust: float
    """Pictures of which less two-way identification is expected are not to be trusted."""
    marked: int
    """So many validation images are not."""
    two_way_of_marked: float | None
    two_way_of_others: float | None
    """What validation images of both kinds have, on average; None where there are none."""

    def is_trusted(self, doubts: PerImage) -> Bool[np.ndarray, "images"]:
        """Which pictures are good enough, as far as can be expected."""
        return self.two_way(doubts) >= self.trust

    @property
    def sentence(self) -> str:
        """How this came about, for a reader."""
        words = {
            "spread": "how far the candidates are from each other",
            "distance_from_scan": "how far the picture is from the contrastive head's embedding",
        }[self.measure]
        correlation = self.rank_correlations[self.measure]
        told = (
            f"Trust was calibrated on {self.num_images} validation images of the same subject, "
            f"weights and settings: by {words}, two-way identification (CLIP) was expected "
            f"(rank correlation {correlation:.2f}). Marked are pictures of which less than "
            f"{self.trust:g} is expected"
        )
        if self.marked == 0:
            return f"{told}; no validation image was."
        others = (
            "" if self.two_way_of_others is None else f", the others {self.two_way_of_others:.2f}"
        )
        return (
            f"{told}; the {self.marked} validation images so marked reached "
            f"{self.two_way_of_marked:.2f}{others}."
        )


def doubts_of(scores: PerImage, spread: PerImage | None) -> dict[str, PerImage]:
    """Measures that need no true image; larger is more doubtful.

    Args:
        scores: of the chosen candidates, a cosine.
        spread: None where each image has a single candidate.
    """
    found = {} if spread is None else {"spread": spread.astype(np.float64)}
    return {**found, "distance_from_scan": 1 - scores.astype(np.float64)}


def fitted_calibration(
    doubts: Mapping[str, PerImage],
    two_way: PerImage,
    clip_distance: PerImage,
    *,
    trust: float = TRUST,
) -> Calibration:
    """Fits both maps by isotonic regression to the measure that ranks two-way identification best.

    Args:
        doubts: of `doubts_of`, of validation images.
        two_way, clip_distance: what these pictures are worth, against the true images.

    Raises:
        ValueError: too few images, a measure that is everywhere the same, or `trust` is no share.
    """
    count = len(two_way)
    if count < FEWEST_IMAGES:
        raise ValueError(
            f"{count} validation images are too few to calibrate with. "
            f"Draw {FEWEST_IMAGES} or more with `mindeye reconstruct --split validation`."
        )
    if not 0 <= trust <= 1:
        raise ValueError(f"--trust is {trust}. Choose a share of pairs from 0 to 1.")
    varied = {name: values for name, values in doubts.items() if np.ptp(values) > 0}
    if not varied or np.ptp(two_way) == 0:
        raise ValueError(
            f"All {count} validation images are equally doubtful or equally well drawn: nothing "
            "can be calibrated. Were they drawn with several candidates?"
        )
    correlations = {
        name: float(spearmanr(values, two_way).statistic) for name, values in varied.items()
    }
    measure = min(correlations, key=lambda name: correlations[name])
    chosen = varied[measure]
    falls = _isotonic(chosen, two_way, increasing=False)
    is_marked = falls(chosen) < trust
    return Calibration(
        measure=measure,
        rank_correlations=correlations,
        two_way=falls,
        clip_distance=_isotonic(chosen, clip_distance, increasing=True),
        num_images=count,
        trust=float(trust),
        marked=int(is_marked.sum()),
        two_way_of_marked=_mean(two_way[is_marked]),
        two_way_of_others=_mean(two_way[~is_marked]),
    )


def calibration_record(calibration: Calibration) -> dict[str, Any]:
    """What JSON holds; see `calibration_of_record`."""
    plain = {**vars(calibration), "rank_correlations": dict(calibration.rank_correlations)}
    for name in ("two_way", "clip_distance"):
        table: MonotoneMap = plain[name]
        plain[name] = {"doubts": list(table.doubts), "values": list(table.values)}
    return plain


def calibration_of_record(record: Mapping[str, Any]) -> Calibration:
    """The calibration that was saved."""
    tables = {
        name: MonotoneMap(**{key: tuple(value) for key, value in record[name].items()})
        for name in ("two_way", "clip_distance")
    }
    return Calibration(**{**record, **tables})


def _isotonic(doubts: PerImage, values: PerImage, *, increasing: bool) -> MonotoneMap:
    """Least squares among all monotone maps (pool adjacent violators)."""
    fitted = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(doubts, values)
    return MonotoneMap(
        doubts=tuple(fitted.X_thresholds_.tolist()), values=tuple(fitted.y_thresholds_.tolist())
    )


def _mean(values: PerImage) -> float | None:
    return float(values.mean()) if len(values) else None

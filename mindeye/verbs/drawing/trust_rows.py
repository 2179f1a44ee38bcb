"""Scores of pictures that are to be trusted and of those that are not, of the same evaluation."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from mindeye.reconstruction.scoring import score_rows
from mindeye.types import MetricRow
from mindeye.verbs.drawing.calibration import read_uncertainty

# An interval over fewer images says nothing.
FEWEST_IMAGES = 2


def trust_rows(
    folder: Path,
    system: str,
    scores: Mapping[str, Float[np.ndarray, "images"]],
    image_ids: Int[np.ndarray, "images"],
    rng: np.random.Generator,
) -> list[MetricRow]:
    """Rows of both kinds; none where no calibration told them apart.

    Two-way identification is that of the whole test set, so that the kinds can be compared.
    """
    found = read_uncertainty(folder)
    if found is None:
        return []
    trusted = np.array([found["images"][one]["is_trusted"] for one in image_ids.tolist()])
    rows: list[MetricRow] = []
    for words, mask in (("trusted", trusted), ("not to be trusted", ~trusted)):
        if mask.sum() >= FEWEST_IMAGES:
            some = {metric: values[mask] for metric, values in scores.items()}
            rows += score_rows(f"{system}, {words}", some, rng)
    return rows

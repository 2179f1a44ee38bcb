"""The page of a decoded scan: pictures beside those of noise, numbers, checks, times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mindeye.report.grids import PictureGrid
from mindeye.report.page import ReportContent
from mindeye.types import MetricRow

INTERVALS = (
    "Of the scan: 95 % intervals over its trials or images. Of embedding spread with shuffled "
    "voxels: the lowest and the highest of all shuffles."
)


@dataclass(frozen=True, kw_only=True)
class DecodePage:
    """What stands on the page of one scan."""

    subject: int
    simulated: Mapping[str, Any] | None
    verdict: str
    """Whether the scan stands out from noise, as a sentence with numbers."""
    notes: Sequence[str]
    rows: Sequence[MetricRow]
    grids: Sequence[PictureGrid]
    scan: Mapping[str, Any]
    checks: Mapping[str, str]
    """Name of a check -> what it saw."""
    seconds: Mapping[str, Float[np.ndarray, "images"]]
    """Stage -> how long it took, image by image."""
    about: Mapping[str, Any]
    """The run."""


def decode_content(page: DecodePage) -> ReportContent:
    """The content in the form of every page."""
    provenance = {
        "scan": page.scan,
        "checks": page.checks,
        "latency": latency_table(page.seconds),
        "run": {name: one for name, one in page.about.items() if name != "simulated"},
    }
    return ReportContent(
        title=f"Subject {page.subject}: what was seen, decoded from a saved scan",
        simulated=page.simulated,
        lead=page.verdict,
        provenance=provenance,
        rows=page.rows,
        pictures=page.grids,
        notes=page.notes,
        intervals=INTERVALS,
    )


def latency_table(seconds: Mapping[str, Float[np.ndarray, "images"]]) -> dict[str, str]:
    """Stage -> median, 95th percentile and most; stages that did not happen are left out."""
    measured = {stage: times[np.isfinite(times)] for stage, times in seconds.items()}
    measured = {stage: times for stage, times in measured.items() if len(times)}
    counts = {len(times) for times in measured.values()}
    if len(counts) == 1 and len(measured) > 1:
        measured["all stages"] = np.sum(list(measured.values()), axis=0)
    return {stage: _milliseconds(times) for stage, times in measured.items()}


def _milliseconds(times: Float[np.ndarray, "images"]) -> str:
    middle, high = np.quantile(1000 * times, [0.5, 0.95])
    return (
        f"median {middle:.2f} ms, 95th percentile {high:.2f} ms, most "
        f"{1000 * times.max():.2f} ms ({len(times)} measured)"
    )

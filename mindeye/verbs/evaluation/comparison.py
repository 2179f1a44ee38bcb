"""Several evaluations on the images and in the metrics that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Int

from mindeye.metrics.paired_systems import (
    PairedDifference,
    paired_differences,
    system_intervals,
)
from mindeye.types import MetricRow
from mindeye.verbs.evaluation.evaluated import EvaluatedSystem, common_images, common_metrics


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All numbers of a comparison."""

    systems: Sequence[EvaluatedSystem]
    image_ids: Int[np.ndarray, "images"]
    rows: Sequence[MetricRow]
    differences: Sequence[PairedDifference]
    better: Mapping[str, str]
    notes: Sequence[str]
    seed: int
    scores: Mapping[str, Mapping[str, np.ndarray]] = field(repr=False, default_factory=dict)
    """System -> metric -> values of `image_ids`."""

    @property
    def simulated(self) -> Mapping[str, Any] | None:
        """The banner, if one of the systems has it."""
        found = (one.content["simulated"] for one in self.systems)
        return next((one for one in found if one is not None), None)


def compared(
    systems: Sequence[EvaluatedSystem],
    reference: str | None,
    seed: int,
    more_notes: Sequence[str] = (),
) -> Comparison:
    """All intervals and differences, on the images and metrics that all systems have."""
    image_ids, metrics = common_images(systems), common_metrics(systems)
    scores = {}
    for one in systems:
        values = one.values_of(image_ids)
        scores[one.name] = {metric: values[metric] for metric in metrics}
    rng = np.random.default_rng(seed)
    better, chance = systems[0].better, systems[0].chance
    intervals = system_intervals(scores, rng)
    rows = [
        MetricRow(
            system=system,
            metric=metric,
            **intervals[system, metric]._asdict(),
            n=len(image_ids),
            chance=chance[metric],
            better=better[metric],
        )
        for metric in metrics
        for system in scores
    ]
    pairs = _pairs(list(scores), reference)
    return Comparison(
        systems=systems,
        image_ids=image_ids,
        rows=rows,
        differences=paired_differences(scores, pairs, rng),
        better=better,
        notes=[*_notes(systems, image_ids, metrics), *more_notes],
        seed=seed,
        scores=scores,
    )


def _pairs(names: Sequence[str], reference: str | None) -> list[tuple[str, str]]:
    if reference is None:
        return list(combinations(names, 2))
    if reference not in names:
        raise LookupError(
            f"`{reference}` is none of the systems. Choose one of {', '.join(names)}."
        )
    return [(name, reference) for name in names if name != reference]


def _notes(
    systems: Sequence[EvaluatedSystem], image_ids: np.ndarray, metrics: Sequence[str]
) -> list[str]:
    notes = []
    pools = {one.name: len(one.image_ids) for one in systems}
    if set(pools.values()) != {len(image_ids)}:
        counts = ", ".join(f"{name} {count}" for name, count in pools.items())
        notes.append(
            f"Only the {len(image_ids)} common images are compared (evaluated: {counts}). Two-way "
            "identification of an image was still counted among all images of its own evaluation."
        )
    for one in systems:
        left_out = [name for name in one.per_image if name not in metrics]
        if left_out:
            notes.append(f"Only {one.name} has {', '.join(left_out)}: left out.")
    for one in systems:
        notes += [f"{one.name}: {note}" for note in one.content.get("notes", ())]
    return notes

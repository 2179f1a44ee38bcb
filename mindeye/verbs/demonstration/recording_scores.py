"""Scores of decoded trials: identification among the figures, correlation, permutation nulls."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mindeye.data.recordings import Recording, drawn_figures, patch_contrasts
from mindeye.metrics.closed_set import (
    closed_set_null,
    mean_of_images,
    top1_table,
    two_way_table,
)
from mindeye.metrics.identification import correlation_matrix
from mindeye.metrics.statistics import (
    difference_row,
    metric_row,
    permutation_p,
    proportion_interval,
)
from mindeye.retrieval.accuracy import similarity_matrix
from mindeye.types import MetricRow
from mindeye.verbs.demonstration.recording_folds import OURS, RIDGE, DecodedRecording, DecodedTrials

PERMUTATIONS = 1000
CORRELATION = "correlation of 10 x 10 patches, decoded with shown"


@dataclass(frozen=True, kw_only=True)
class RecordingScores:
    """Rows of one protocol: both systems with their difference, and the nulls."""

    rows: list[MetricRow]
    controls: list[MetricRow]


def score_recording(
    recording: Recording, decoded: DecodedRecording, label: str, seed: int
) -> RecordingScores:
    """All rows of one protocol; `label` names it and stands before each metric.

    A trial is scored by itself. Values are means over figures of the means over their trials, and
    intervals are bootstraps over figures. The null exchanges the figures of each session or run
    among each other a thousand times; decoders are not trained again.
    """
    rng = np.random.default_rng(seed)
    ids = recording.image_ids
    tables = {
        system: score_tables(recording, trials, decoded.figure_embeddings)
        for system, trials in decoded.systems.items()
    }
    chances = chance_of(len(recording.figures))
    rows, controls = [], []
    for metric, chance in chances.items():
        name = f"{label}: {metric}"
        values = {
            system: mean_of_images(own_scores(of_metric[metric], ids), ids)
            for system, of_metric in tables.items()
        }
        for system, one in values.items():
            rows.append(metric_row(system, name, one, rng, chance=chance, method="bca"))
        both = (values[OURS], values[RIDGE])
        rows.append(difference_row((OURS, RIDGE), name, both, rng))
    for system, of_metric in tables.items():
        nulls = closed_set_null(of_metric, ids, recording.groups, rng, PERMUTATIONS)
        for metric, null in nulls.items():
            name = f"{label}: {metric}"
            observed = mean_of_images(own_scores(of_metric[metric], ids), ids).mean()
            controls.append(null_row(system, name, null, chances[metric]))
            controls.append(p_row(system, name, observed, null))
    return RecordingScores(rows=rows, controls=controls)


def chance_of(num_figures: int) -> dict[str, float | None]:
    """Every metric with what guessing among all figures gives."""
    top1 = f"top-1 of {num_figures}"
    return {
        CORRELATION: None,
        "two-way identification by decoded picture": 0.5,
        "two-way identification by embedding": 0.5,
        f"{top1} by decoded picture": 1 / num_figures,
        f"{top1} by embedding": 1 / num_figures,
    }


def score_tables(
    recording: Recording,
    decoded: DecodedTrials,
    figure_embeddings: Float[np.ndarray, "images features"],
) -> Mapping[str, Float[np.ndarray, "trials images"]]:
    """What each trial would score if it had shown each of the figures."""
    picture = picture_likeness(recording, decoded)
    embedding = similarity_matrix(
        torch.from_numpy(decoded.embeddings), torch.from_numpy(figure_embeddings)
    ).numpy()
    correlation, *others = chance_of(len(recording.figures))
    values = (
        two_way_table(picture),
        two_way_table(embedding),
        top1_table(picture),
        top1_table(embedding),
    )
    return {correlation: picture, **dict(zip(others, values, strict=True))}


def picture_likeness(
    recording: Recording, decoded: DecodedTrials
) -> Float[np.ndarray, "trials images"]:
    """Correlation of each decoded picture with each figure over the 10 x 10 patches."""
    figures = torch.from_numpy(patch_contrasts(drawn_figures(recording.figures)))
    ours = torch.from_numpy(patch_contrasts(decoded.pictures))
    columns = []
    # `correlation_matrix` pairs as many pictures with as many figures.
    for figure in figures:
        shown = figure.expand(len(ours), -1)
        columns.append(correlation_matrix(ours, shown)[:, 0])
    return torch.stack(columns, dim=1).numpy()


def own_scores(
    table: Float[np.ndarray, "trials images"], image_ids: np.ndarray
) -> Float[np.ndarray, "trials"]:
    """Each trial's score for the figure that was shown."""
    return table[np.arange(len(image_ids)), image_ids]


def null_row(
    system: str, metric: str, null: Float[np.ndarray, "permutations"], chance: float | None
) -> MetricRow:
    """The null's mean, with its lowest and highest value as the interval."""
    return MetricRow(
        system=f"null of {system}: mean, lowest, highest",
        metric=metric,
        value=float(null.mean()),
        low=float(null.min()),
        high=float(null.max()),
        n=len(null),
        chance=chance,
        better="higher",
    )


def p_row(
    system: str, metric: str, observed: float, null: Float[np.ndarray, "permutations"]
) -> MetricRow:
    """One-sided p with the exact interval of its Monte Carlo error."""
    as_good = int((null >= observed).sum())
    error = proportion_interval(as_good, len(null))
    return MetricRow(
        system=f"{system}: p against its null",
        metric=f"p: {metric}",
        value=permutation_p(observed, null),
        low=error.low,
        high=error.high,
        n=len(null),
        chance=None,
        better="lower",
    )

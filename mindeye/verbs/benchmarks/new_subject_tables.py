"""Tables of the comparison of systems on a new subject."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from mindeye.metrics.statistics import difference_row, metric_row
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_interval
from mindeye.types import MetricRow

POOL = 100
"""Test images among which one is looked for."""
CHANCE = {"image retrieval": 1 / POOL, "brain retrieval": 1 / POOL, "two-way identification": 0.5}

PerImage = dict[str, Float[np.ndarray, "images"]]


def rows_of(
    scores: Mapping[tuple[str, int], PerImage], pretrained: Sequence[str]
) -> list[MetricRow]:
    """Each (system, seed), the images of all seeds, and there each pre-trained minus each other."""
    rng, seeds = np.random.default_rng(0), sorted({seed for _, seed in scores})
    rows = []
    for metric in next(iter(scores.values())):
        chance = CHANCE[" ".join(metric.split()[:2])]
        together = {
            name: np.concatenate([scores[name, seed][metric] for seed in seeds])
            for name, _ in scores
        }
        named = {f"{name}, seed {seed}": scores[name, seed][metric] for name, seed in scores}
        for name, values in {**named, **together}.items():
            rows.append(metric_row(name, metric, values, rng, chance=chance))
        for ours in pretrained:
            for theirs in (name for name in together if name not in pretrained):
                pair = (together[ours], together[theirs])
                rows.append(difference_row((ours, theirs), metric, pair, rng))
    return rows


def markdown(rows: Sequence[MetricRow], names: Sequence[str], seeds: Sequence[int]) -> str:
    """The table for the documentation: systems as rows, differences from training alone beneath."""
    by_key = {(row.metric, row.system): row for row in rows}
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines = [f"| {SIMULATED} | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name in names:
        cells = []
        for metric in metrics:
            each = [f"{by_key[metric, f'{name}, seed {seed}'].value:.3f}" for seed in seeds]
            cells.append(f"{format_interval(by_key[metric, name])} ({', '.join(each)})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name in dict.fromkeys(row.system for row in rows if " minus " in row.system):
        cells = [format_interval(by_key[metric, name]) for metric in metrics]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"

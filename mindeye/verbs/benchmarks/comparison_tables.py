"""The table of recipes compared: each subject, all together, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mindeye.metrics.facts import METRIC_FACTS
from mindeye.metrics.statistics import difference_row, metric_row
from mindeye.report.banner import SIMULATED
from mindeye.report.tables import format_interval
from mindeye.types import MetricRow

PerImage = dict[str, Float[np.ndarray, "images"]]


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    preset: str = "nsd-like"
    seeds: tuple[int, ...] = (0, 1, 2)
    """One simulated subject, and one training of every recipe, for each."""
    num_images: int = 100
    """Test images that are drawn; retrieval uses all."""
    reference: str = "ours"
    """The recipe that the others are compared with."""


def comparison_rows(
    scores: Mapping[tuple[str, int], PerImage], config: ComparisonConfig
) -> list[MetricRow]:
    """Each subject, all subjects' images together, paired differences of those, and of each."""
    rng = np.random.default_rng(0)
    names = list(dict.fromkeys(name for name, _ in scores))
    metrics = list(next(iter(scores.values())))
    rows = []
    for metric in metrics:
        together = {
            name: np.concatenate([scores[name, seed][metric] for seed in config.seeds])
            for name in names
        }
        systems = {
            **{f"{name}, seed {seed}": scores[name, seed][metric] for name, seed in scores},
            **together,
        }
        chance, better = _about(metric)
        for system, values in systems.items():
            rows.append(metric_row(system, metric, values, rng, chance=chance, better=better))
        for name in names:
            if name != config.reference:
                pair = (together[name], together[config.reference])
                rows.append(difference_row((name, config.reference), metric, pair, rng))
    return rows + _differences_by_seed(scores, config)


def _differences_by_seed(
    scores: Mapping[tuple[str, int], PerImage], config: ComparisonConfig
) -> list[MetricRow]:
    rng = np.random.default_rng(0)
    rows = []
    for (name, seed), found in scores.items():
        if name == config.reference:
            continue
        beside = scores[config.reference, seed]
        for metric, values in found.items():
            row = difference_row((name, config.reference), metric, (values, beside[metric]), rng)
            rows.append(replace(row, system=f"{row.system}, seed {seed}"))
    return rows


def _about(metric: str) -> tuple[float | None, str]:
    facts = METRIC_FACTS.get(metric)
    return (facts.chance, facts.better) if facts else (1 / int(metric.rsplit(" ", 1)[1]), "higher")


def markdown(rows: Sequence[MetricRow], names: Sequence[str], config: ComparisonConfig) -> str:
    """The table for the documentation: recipes as columns."""
    by_key = {(row.metric, row.system): row for row in rows}
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines = [f"| {SIMULATED} | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for metric in metrics:
        cells = [format_interval(by_key[metric, name]) for name in names]
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
        seeds = [
            ", ".join(
                f"{by_key[metric, f'{name}, seed {seed}'].value:.3f}" for seed in config.seeds
            )
            for name in names
        ]
        lines.append("| - each seed | " + " | ".join(seeds) + " |")
        together = [_difference(by_key, metric, name, config) for name in names]
        lines.append(f"| - minus {config.reference}, paired | " + " | ".join(together) + " |")
        for seed in config.seeds:
            alone = [_difference(by_key, metric, name, config, f", seed {seed}") for name in names]
            lines.append(f"| - the same, seed {seed} | " + " | ".join(alone) + " |")
    return "\n".join(lines) + "\n"


def _difference(
    by_key: Mapping[tuple[str, str], MetricRow],
    metric: str,
    name: str,
    config: ComparisonConfig,
    of_seed: str = "",
) -> str:
    row = by_key.get((metric, f"{name} minus {config.reference}{of_seed}"))
    return format_interval(row) if row else "-"

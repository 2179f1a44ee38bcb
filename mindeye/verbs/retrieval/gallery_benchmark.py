"""`mindeye retrieve RUN --gallery G --benchmark`: the seen picture among N others of a gallery."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.files import atomic_path, write_json
from mindeye.metrics.bootstrap import bootstrap_intervals
from mindeye.report.gallery_plots import accuracy_over_distractors
from mindeye.report.tables import write_rows_tsv
from mindeye.retrieval.gallery.planted.planted import (
    DUPLICATES,
    LEFT_OUT,
    PlantedRanks,
    expected_rank,
    planted_accuracy,
    planted_ranks,
)
from mindeye.types import MetricRow
from mindeye.verbs.retrieval.gallery_extrapolation import Extrapolation, extrapolated
from mindeye.verbs.retrieval.gallery_index_loss import index_loss
from mindeye.verbs.retrieval.gallery_material import GalleryMaterial

TOPS = (1, 5, 10, 100)
SMALLEST = 100
SYSTEM = "mindeye"
CONTEXT = (
    "No published system gives ranks in a gallery. MindEye1 (arXiv:2305.18274) retrieved from "
    "LAION-5B and judged the picture that it took by the metrics of reconstructions: score yours "
    "with `mindeye evaluate` on the folder `pictures` of a retrieval."
)


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """What is counted, and how sure one wants to be."""

    duplicate_above: float = 0.97
    """Pictures of a gallery with a higher cosine to the seen one are near duplicates of it."""
    seed: int = 0
    resamples: int = 10_000
    tail: int = 12_000
    """Similarities of distractors that are kept for the extrapolation."""


@dataclass(frozen=True, kw_only=True)
class GalleryBenchmark:
    """All that was measured."""

    rows: Sequence[MetricRow]
    sizes: Sequence[int]
    """Numbers of distractors; the last is as many as every image has."""
    ranks: PlantedRanks
    extrapolation: Extrapolation
    loss: dict[str, Any]
    about: dict[str, Any]

    @property
    def simulated(self) -> dict[str, Any] | None:
        return self.about["simulated"] or self.about["gallery"]["simulated"]

    def notes(self) -> list[str]:
        """What the numbers rest on, a sentence each."""
        ranks = self.ranks
        planted, images = int((ranks.own_rows >= 0).sum()), len(ranks.own_rows)
        beside = "" if planted == images else "; the others are ranked as if they were"
        above = self.about["settings"]["duplicate_above"]
        return [
            f"{images} test images among {ranks.num_vectors:,} vectors, compared exactly by "
            f"{self.about['compared by']}; {planted} of the seen pictures are in the gallery"
            f"{beside}.",
            f"{int(ranks.duplicates.sum()):,} near duplicates (cosine of pictures above {above:g}) "
            f"of {int((ranks.duplicates > 0).sum())} seen pictures, of which "
            f"{int(ranks.rival_duplicates.sum()):,} are at least as similar to the brain.",
            *self.loss["notes"],
            *self.extrapolation.notes,
            CONTEXT,
        ]


def benchmark_gallery(material: GalleryMaterial, settings: BenchmarkSettings) -> GalleryBenchmark:
    """Ranks the seen pictures among all distractors, and in random parts of them.

    Raises:
        ValueError: a threshold that tells no near duplicates, or a gallery of them alone.
    """
    ranks = planted_ranks(
        material.blocks,
        material.brain,
        material.truths,
        material.looks,
        duplicate_above=settings.duplicate_above,
        tail=settings.tail,
    )
    fewest = int(min(ranks.counted(how)[1].min() for how in DUPLICATES))
    sizes = sizes_up_to(fewest)
    rng = np.random.default_rng(settings.seed)
    return GalleryBenchmark(
        rows=_rows(ranks, sizes, rng, settings.resamples),
        sizes=sizes,
        ranks=ranks,
        extrapolation=extrapolated(ranks, TOPS, rng),
        loss=index_loss(material, ranks, TOPS),
        about={**material.about, "settings": asdict(settings)},
    )


def sizes_up_to(fewest: int) -> list[int]:
    """100, 1,000 ... as far as they go, and all."""
    powers = [10**power for power in range(2, len(str(fewest)))]
    return [*(size for size in powers if SMALLEST <= size < fewest), fewest]


def _rows(
    ranks: PlantedRanks, sizes: Sequence[int], rng: np.random.Generator, resamples: int
) -> list[MetricRow]:
    columns, medians, chances = {}, [], {}
    for how in DUPLICATES:
        rivals, others = ranks.counted(how)
        for size in sizes:
            name = f"of {size:,} distractors, near duplicates {how}"
            for top in TOPS:
                if top <= size:
                    columns[f"top-{top} {name}"] = planted_accuracy(rivals, others, size, top)
                    chances[f"top-{top} {name}"] = top / (size + 1)
            columns[f"median rank {name}"] = expected_rank(rivals, others, size)
            medians.append(f"median rank {name}")
            chances[f"median rank {name}"] = 1 + size / 2
    found = bootstrap_intervals(columns, rng, medians=medians, resamples=resamples)
    return [
        MetricRow(
            system=SYSTEM,
            metric=name,
            value=one.value,
            low=one.low,
            high=one.high,
            n=len(ranks.own_rows),
            chance=chances[name],
            better="lower" if name in medians else "higher",
        )
        for name, one in found.items()
    ]


def save_benchmark(found: GalleryBenchmark, out: Path) -> None:
    """benchmark.json, benchmark.tsv, benchmark.png."""
    write_rows_tsv(out / "benchmark.tsv", found.rows, simulated=found.simulated)
    ranks = {
        name: getattr(found.ranks, name).tolist()
        for name in (
            "own_rows",
            "own_scores",
            "copies",
            "duplicates",
            "rivals",
            "rival_duplicates",
            "rivals_of_best",
        )
    }
    write_json(
        out / "benchmark.json",
        {
            **found.about,
            "rows": [asdict(row) for row in found.rows],
            "per image": ranks,
            "extrapolation": found.extrapolation.as_json(),
            "index": found.loss,
            "notes": found.notes(),
        },
    )
    with atomic_path(out / "benchmark.png") as temporary:
        temporary.write_bytes(
            accuracy_over_distractors(
                shown_rows(found.rows),
                found.extrapolation.rows,
                gallery=found.sizes[-1],
                simulated=found.simulated is not None,
            )
        )


def shown_rows(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Of near duplicates left out: what stands on the screen and in the figure."""
    return [row for row in rows if row.metric.endswith(f"near duplicates {LEFT_OUT}")]

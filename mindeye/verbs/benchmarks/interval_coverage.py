"""How often the 95 % intervals hold the truth, where the truth is known; and how fast they are."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.metrics.bootstrap import bca_ends, bootstrap_intervals, resampled_means
from mindeye.metrics.group_level import mean_of_subjects
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.similarity import image_retrieval_rivals, similarity_matrix
from mindeye.types import MetricRow

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
# Data sets that are resampled together; the same resamples serve all of a batch.
BATCH = 500
POOL = 50


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Per-image values as a metric has them, drawn from a population whose mean is known."""

    draw: Draw
    truth: float
    median: bool = False
    beyond: bool = False
    """So skewed that no bootstrap of a hundred images is right: shown, not counted."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often an interval held the truth."""

    shape: str
    num_images: int
    data_sets: int
    covered: float
    below: float
    """How often the whole interval lay below the truth."""
    above: float
    beyond: bool = False

    @property
    def standard_error(self) -> float:
        return (self.covered * (1 - self.covered) / self.data_sets) ** 0.5


def _beta(first: float, second: float, **settings) -> Shape:
    return Shape(
        draw=lambda rng, size: rng.beta(first, second, size),
        truth=first / (first + second),
        **settings,
    )


def _lognormal(spread: float, **settings) -> Shape:
    return Shape(
        draw=lambda rng, size: rng.lognormal(0, spread, size),
        truth=float(np.exp(spread**2 / 2)),
        **settings,
    )


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "share with a ceiling, mean 0.91 (two-way wins)": _beta(4, 0.4),
        "share at the ceiling, mean 0.97": _beta(6, 0.2),
        "nearly all or nothing, mean 0.80 (pool accuracy)": _beta(0.6, 0.15),
        "correlation, mean 0.40 (PixCorr)": Shape(
            draw=lambda rng, size: 2 * rng.beta(3.5, 1.5, size) - 1, truth=0.4
        ),
        "skewed, gamma 2 (distances)": Shape(
            draw=lambda rng, size: rng.gamma(2, size=size), truth=2.0
        ),
        "skewed, lognormal 0.5": _lognormal(0.5),
        "paired difference of correlations": Shape(
            draw=lambda rng, size: (
                0.5 * rng.beta(2, 5, size) * rng.normal(1, 0.5, size) - 0.1 * rng.beta(2, 2, size)
            ),
            truth=1 / 7 - 0.05,
        ),
        "median of ranks, lognormal": Shape(
            draw=lambda rng, size: rng.lognormal(0, 1, size), truth=1.0, median=True
        ),
        "share with few and large misses, mean 0.99": _beta(4, 0.04, beyond=True),
        "heavy tail, lognormal 1": _lognormal(1.0, beyond=True),
    }
)


def shape_coverage(
    name: str,
    shape: Shape,
    num_images: int,
    rng: np.random.Generator,
    *,
    data_sets: int = 5000,
    resamples: int = 10_000,
) -> Coverage:
    """Draws data sets of a shape and asks of each interval whether it holds the true mean."""
    low, high = [], []
    for start in range(0, data_sets, BATCH):
        values = shape.draw(rng, (num_images, min(BATCH, data_sets - start)))
        if shape.median:
            columns = {str(at): one for at, one in enumerate(values.T)}
            found = bootstrap_intervals(columns, rng, medians=columns.keys(), resamples=resamples)
            ends = np.array([[one.low, one.high] for one in found.values()]).T
        else:
            ends = bca_ends(values, resampled_means(values, rng, resamples))
        low.append(ends[0])
        high.append(ends[1])
    ends = np.concatenate(low), np.concatenate(high)
    return _coverage(name, num_images, shape.truth, *ends, beyond=shape.beyond)


def retrieval_coverage(
    num_images: int,
    rng: np.random.Generator,
    *,
    data_sets: int = 2000,
    resamples: int = 2000,
) -> Coverage:
    """The same where images are each other's rivals, so that their values are not independent.

    The truth, top-1 of a random pool among all images there are, is the mean over all data sets.
    """
    pool = min(POOL, num_images)
    values = np.stack(
        [
            pool_accuracy(image_retrieval_rivals(simulated_similarity(num_images, rng)), pool)
            for _ in range(data_sets)
        ],
        axis=1,
    )
    low, high = bca_ends(values, resampled_means(values, rng, resamples))
    name = f"image retrieval top-1 of {pool}, simulated embeddings"
    return _coverage(name, num_images, float(values.mean()), low, high)


def simulated_similarity(
    num_images: int, rng: np.random.Generator, features: int = 16
) -> Float[Tensor, "images images"]:
    """Of noisy brain embeddings with true ones: some scans are worse, some images are hubs."""
    scale = np.exp(-np.arange(features) / 6.0)
    images = scale * (rng.normal(size=(num_images, features)) + 0.5)
    worse = np.exp(0.4 * rng.normal(size=(num_images, 1)))
    brain = images + worse * scale * rng.normal(size=(num_images, features))
    return similarity_matrix(torch.from_numpy(brain), torch.from_numpy(images))


def subject_coverage(
    num_subjects: int, rng: np.random.Generator, *, data_sets: int = 5000
) -> tuple[Coverage, Coverage]:
    """Of the mean of so few subjects: Student's interval, and a bootstrap over subjects."""
    values = rng.normal(0.6, 0.1, size=(num_subjects, data_sets))
    numbers = {"low": 0.0, "high": 1.0, "n": 100, "chance": 0.0}
    ends = [
        mean_of_subjects(
            [
                MetricRow(system="", metric="", value=value, better="higher", **numbers)
                for value in one.tolist()
            ]
        )
        for one in values.T
    ]
    student = [row.low for row in ends], [row.high for row in ends]
    resampled = bca_ends(values, resampled_means(values, rng, 2000))
    return tuple(
        _coverage(name, num_subjects, 0.6, *(np.array(one) for one in low_high), beyond=beyond)
        for name, low_high, beyond in (
            (f"mean of {num_subjects} subjects, t interval", student, False),
            (f"mean of {num_subjects} subjects, had they been resampled", resampled, True),
        )
    )


def coverages(
    sizes: Sequence[int],
    *,
    seed: int = 0,
    data_sets: int = 5000,
    resamples: int = 10_000,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Coverage]:
    """Every shape at every number of images; means of 4 and of 8 subjects last."""
    rng = np.random.default_rng(seed)
    total = len(sizes) * (len(SHAPES) + 1) + 2
    done = 0
    for num_images in sizes:
        for name, shape in SHAPES.items():
            how = {"data_sets": data_sets, "resamples": resamples}
            if shape.median:  # an order of all images for each data set: slow
                how = {name: max(100, number // 5) for name, number in how.items()}
            yield shape_coverage(name, shape, num_images, rng, **how)
            done = _told(progress, done, total)
        few = {"data_sets": max(100, data_sets // 5), "resamples": resamples}
        yield retrieval_coverage(num_images, rng, **few)
        done = _told(progress, done, total)
    for num_subjects in (4, 8):
        yield from subject_coverage(num_subjects, rng, data_sets=data_sets)
        done = _told(progress, done, total)


def bootstrap_seconds(num_metrics: int, num_images: int, resamples: int, rounds: int = 5) -> float:
    """Median wall time of all intervals of all metrics over the same resamples."""
    values = np.random.default_rng(0).gamma(2, size=(num_images, num_metrics))
    columns = {f"metric {at}": one for at, one in enumerate(values.T)}
    seconds = []
    for seed in range(rounds):
        begin = time.perf_counter()
        bootstrap_intervals(columns, np.random.default_rng(seed), resamples=resamples)
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))


def _coverage(
    name: str,
    count: int,
    truth: float,
    low: Float[np.ndarray, "sets"],
    high: Float[np.ndarray, "sets"],
    *,
    beyond: bool = False,
) -> Coverage:
    return Coverage(
        shape=name,
        num_images=count,
        data_sets=len(low),
        covered=float(np.mean((low <= truth) & (truth <= high))),
        below=float(np.mean(high < truth)),
        above=float(np.mean(low > truth)),
        beyond=beyond,
    )


def _told(progress: Callable[[int, int], None] | None, done: int, total: int) -> int:
    if progress:
        progress(done + 1, total)
    return done + 1

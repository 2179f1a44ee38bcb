"""Simulated embeddings in files, and the benchmark of them with few resamples."""

import numpy as np
import pytest
import torch

from mindeye.verbs.retrieval.retrieval_benchmark import Benchmark, benchmark
from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings
from mindeye.verbs.retrieval.retrieval_sources import SourceSettings, retrieval_sources

FAST = {"resamples": 300, "permutations": 199}
IMAGES, TRAINING, FEATURES = 40, 60, 12


@pytest.fixture
def file_of(tmp_path):
    """Writes simulated embeddings of one subject; the noise says how bad the system is."""

    def write(name: str, subject: int | None = 1, noise: float = 0.8, **changes) -> str:
        rng = np.random.default_rng(7)
        images = rng.normal(size=(IMAGES, FEATURES)).astype(np.float32)
        training = rng.normal(size=(TRAINING, FEATURES)).astype(np.float32)
        training[:4] = images[:4] + 0.05 * training[:4]
        shift = np.random.default_rng([subject or 0, int(1000 * noise)])
        arrays = {
            "brain": images + noise * shift.normal(size=images.shape).astype(np.float32),
            "images": images,
            "image_ids": 3 * rng.permutation(IMAGES),
            "training_images": training,
            "training_ids": 1000 + np.arange(TRAINING),
            "simulated": np.array(1),
            **({} if subject is None else {"subject": np.array(subject)}),
            **changes,
        }
        path = tmp_path / f"{name}.npz"
        np.savez(path, **{key: one for key, one in arrays.items() if one is not None})
        return str(path)

    return write


@pytest.fixture
def measured():
    """(files, how they are opened, settings) -> their benchmark."""

    def run(*files: str, opening: SourceSettings | None = None, **settings) -> Benchmark:
        sources = retrieval_sources((), files, opening or SourceSettings())
        return benchmark(sources, BenchmarkSettings(**{**FAST, **settings}))

    return run


@pytest.fixture
def pairs_in():
    """(file) -> its brain and its images in the order of ids."""

    def read(path: str) -> tuple[torch.Tensor, torch.Tensor]:
        with np.load(path) as arrays:
            order = np.argsort(arrays["image_ids"])
            return tuple(torch.from_numpy(arrays[name][order]) for name in ("brain", "images"))

    return read


@pytest.fixture
def values_of():
    """(benchmark) -> its rows by their metrics."""
    return lambda found: {one.row.metric: one.row for one in found.rows}

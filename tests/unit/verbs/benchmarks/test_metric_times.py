"""The benchmark's published loops and ours come to the same numbers, and are timed as they say."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.verbs.benchmarks import metric_times, metric_works
from mindeye.verbs.benchmarks.metric_memory import measure_memory
from mindeye.verbs.benchmarks.metric_times import BOTH_CORES, OURS, PUBLISHED, MetricTime, measure
from mindeye.verbs.benchmarks.metric_works import WORKS

SMALL = {4: (6, 3, 24, 20), 2: (40, 30)}


@pytest.fixture
def small(monkeypatch):
    """Works of few and small inputs; what a measurement pins is loosened afterwards."""
    works = {name: replace(one, shape=SMALL[len(one.shape)]) for name, one in WORKS.items()}
    monkeypatch.setattr(metric_times, "WORKS", works)
    monkeypatch.setattr(metric_works, "POOL", 10)
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    yield works
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)


def test_the_published_loops_and_ours_give_the_same_numbers(small):
    for name, one in small.items():
        inputs = one.inputs()
        published, ours = one.published(*inputs), one.ours(*inputs)
        assert published.std() > 0, name
        np.testing.assert_allclose(ours, published, rtol=0, atol=one.tolerance, err_msg=name)


def test_the_published_wins_are_counts_of_other_images_less_alike():
    drawn, shown = WORKS["two-way identification, 2048 features"].inputs(12)
    counts = metric_works.published_wins(drawn, shown)
    for row in range(12):
        likeness = [np.corrcoef(drawn[row], other)[0, 1] for other in shown]
        assert counts[row] == sum(one < likeness[row] for one in likeness)


@pytest.mark.parametrize(("way", "cores"), [(PUBLISHED, 1), (OURS, 1), (BOTH_CORES, 2)])
def test_each_way_is_timed_on_the_cores_that_it_says_and_keeps_its_numbers(
    small, tmp_path, way, cores
):
    cores = min(cores, len(os.sched_getaffinity(0)))
    found = measure(tmp_path, "PixCorr", way)
    assert found.keys() == {"wall_s", "cpu_s", "peak_mb"}
    assert min(found.values()) > 0
    assert len(os.sched_getaffinity(0)) == cores
    inputs = small["PixCorr"].inputs()
    expected = metric_works.published_pixel_correlation(*inputs)
    np.testing.assert_allclose(np.load(tmp_path / f"{way}.npy"), expected, atol=1e-6)


def test_an_unknown_work_is_refused(tmp_path):
    with pytest.raises(LookupError, match="Unknown work `SIM`, `ours`"):
        measure(tmp_path, "SIM", OURS)


def test_a_bar_is_missed_by_time_or_by_numbers():
    one = MetricTime(
        metric="PixCorr",
        published_s=4.0,
        seconds=1.0,
        one_core_wall_s=1.2,
        two_core_wall_s=0.6,
        difference=1e-8,
        bar=3.5,
        tolerance=1e-6,
    )
    assert (one.ratio, one.both_cores, one.passes) == (4, 2, True)
    assert not replace(one, seconds=1.2).passes
    assert not replace(one, difference=1e-5).passes
    assert "4.00 times the published loop on one core (bar 3.5; 1.000 against 4.000 s)" in (
        one.describe()
    )


def test_memory_is_that_of_scoring_pictures_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("mindeye.verbs.benchmarks.metric_memory.SIDE", 60)
    found = measure_memory(tmp_path, 3)
    assert found["images"] == 3
    assert found["metrics"] == 4
    assert found["peak_mb"] >= found["before_mb"] > 0

import numpy as np
import pytest

from mindeye.analysis.points import point_of
from mindeye.metrics.statistics import bootstrap_interval

ABOUT = {"figure": "f", "measure": "m", "series": "s", "place": 1.0}


def test_a_point_is_the_mean_with_the_bootstraps_interval():
    values = np.random.default_rng(0).normal(size=50)
    point = point_of(values, np.random.default_rng(1), **ABOUT)
    expected = bootstrap_interval(values, np.random.default_rng(1))
    assert (point.value, point.low, point.high) == pytest.approx(tuple(expected))
    assert point.n == 50


def test_ends_stay_within_what_the_measure_can_be():
    values = np.array([1.0] * 30 + [0.9, 1.3])
    free, held = (
        point_of(values, np.random.default_rng(1), **ABOUT, **more)
        for more in ({}, {"within": (0.0, 1.0)})
    )
    assert free.high > 1.0
    assert held.high == 1.0
    assert held.low == free.low

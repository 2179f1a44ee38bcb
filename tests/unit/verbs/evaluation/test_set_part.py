"""FID of a whole set of pictures, with its bias beside it."""

import numpy as np
import pytest

from mindeye.metrics import frechet
from mindeye.metrics.protocols import NATIVE_PROTOCOL
from mindeye.targets.metric_networks.network import MetricNetwork
from mindeye.verbs.evaluation import set_part


@pytest.mark.parametrize("count", [40, 39])
def test_fid_has_its_bias_beside_it_or_a_reason_for_its_absence(count, monkeypatch):
    for module in (frechet, set_part):
        monkeypatch.setattr(module, "FEWEST_IMAGES", 40)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, count, 8, 8, 3), dtype=np.uint8)
    inception = MetricNetwork(
        name="inception", identity="rows", outputs=lambda one: {"avgpool": one.mean(3).flatten(1)}
    )
    known = ("mindeye", *pictures, {"inception": inception}, NATIVE_PROTOCOL, rng)
    rows, notes = set_part.frechet_part(*known)
    if count < 40:
        assert (rows, len(notes)) == ([], 1)
        assert "FID is left out: of 39 images" in notes[0]
        return
    (row,) = rows
    assert (row.n, row.better, row.chance) == (40, "lower", None)
    assert "biased" in row.metric
    assert row.low < row.value < row.high
    assert f"{row.value:.2f} at 40 images" in notes[0]
    assert "extrapolated to infinitely many" in notes[0]


def test_without_inception_nothing_is_said_of_fid():
    nothing = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    rng = np.random.default_rng(0)
    assert set_part.frechet_part("a", nothing, nothing, {}, NATIVE_PROTOCOL, rng) == ([], [])

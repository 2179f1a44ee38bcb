"""Numbers, intervals, nulls, floors and ceiling, against the plain functions."""

import numpy as np
import pytest

from mindeye.metrics.bootstrap import bootstrap_intervals
from mindeye.metrics.statistics import bootstrap_interval
from mindeye.retrieval.accuracy import retrieval_per_image
from mindeye.retrieval.pools import DrawnPools
from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings
from mindeye.verbs.retrieval.retrieval_sources import SourceSettings

IMAGES = 40


def test_values_are_those_of_the_plain_functions(file_of, measured, pairs_in, values_of):
    path = file_of("ours")
    rows = values_of(measured(path, pools=(2, 10, "all")))
    assert [name.split(" of ")[0] for name in rows][:4] == [
        "image retrieval top-1", "image retrieval top-1", "image retrieval top-5",
        "image retrieval top-1",
    ]  # fmt: skip
    plain = retrieval_per_image(*pairs_in(path), (2, 10, 40), (1, 5, 10))
    for name, values in plain.items():
        if name.endswith(" rank"):
            median = name.replace(" rank", " median rank of 40")
            assert rows[median].value == np.median(values)
            reciprocal = name.replace(" rank", " mean reciprocal rank of 40")
            assert rows[reciprocal].value == pytest.approx((1 / values).mean())
        else:
            assert rows[name].value == pytest.approx(values.mean())
            assert rows[name].low <= rows[name].value <= rows[name].high


def test_intervals_are_those_of_each_metric_by_itself(file_of, measured, pairs_in, values_of):
    path = file_of("ours")
    found = measured(path, pools=(10,), resamples=4000)
    values = retrieval_per_image(*pairs_in(path), (10,))["image retrieval top-1 of 10"]
    alone = bootstrap_interval(values, np.random.default_rng(3), resamples=4000)
    row = values_of(found)["image retrieval top-1 of 10"]
    np.testing.assert_allclose([row.low, row.high], alone[1:], atol=0.01)


def test_drawn_pools_stand_beside_the_exact_expectation(file_of, measured, pairs_in, values_of):
    path = file_of("ours")
    rows = values_of(measured(path, pools=(10, 30, "all"), draws=25, seed=4))
    plain = retrieval_per_image(*pairs_in(path), (30,), drawn=DrawnPools(seed=4, count=25))
    name = "brain retrieval top-1 of 30"
    tally_of_all = rows[f"{name} in 25 drawn pools"]
    assert tally_of_all.value == pytest.approx(rows[name].value, abs=0.05)
    drawn = DrawnPools(seed=4, count=25).of_size(30, IMAGES)
    weight = np.bincount(drawn.ravel(), minlength=IMAGES)
    assert tally_of_all.value == pytest.approx(np.average(plain[name], weights=weight))
    assert tally_of_all.chance == pytest.approx(1 / 30)


def test_the_published_pool_is_drawn_where_it_fits():
    assert BenchmarkSettings().drawn_size(982) == 300
    assert BenchmarkSettings().drawn_size(250) == 100
    assert BenchmarkSettings(pools=("all",)).drawn_size(982) is None
    assert BenchmarkSettings().sizes(60) == (2, 50, 60)


def test_the_null_of_a_good_decoder_is_chance_and_of_a_bad_one_holds_its_value(file_of, measured):
    good = measured(file_of("good"), pools=("all",))
    for one in good.rows:
        assert one.null.low <= one.row.chance <= one.null.high
        assert one.null.value == pytest.approx(one.row.chance, rel=0.3)
        assert one.p == 1 / 200
        assert one.q == pytest.approx(1 / 200)
    bad = measured(file_of("bad", noise=1e4), pools=("all",))
    assert min(one.p for one in bad.rows) > 0.01
    assert all(one.q >= one.p for one in bad.rows)


def test_published_labels_and_contiguous_pools_come_with_compat(file_of, measured):
    path = file_of("ours")
    plain = measured(path, pools=(10, "all"))
    compat = measured(path, pools=(10, "all"), opening=SourceSettings(compat="mindeye1"))
    names = [one.row.metric for one in compat.rows]
    assert 'image retrieval top-1 of 10 (published as "Brain")' in names
    assert 'brain retrieval top-1 of 10 in 30 contiguous pools (published as "Image")' in names
    exact = [one.row.value for one in compat.rows if " pools" not in one.row.metric]
    assert exact == [one.row.value for one in plain.rows if " pools" not in one.row.metric]


def test_floor_and_ceiling_of_duplicates(file_of, measured):
    with np.load(file_of("plain")) as arrays:
        images = arrays["images"].copy()
    images[5] = images[9]
    found = measured(file_of("twins", images=images), pools=("all",))
    by_system = {row.system.partition(" (")[0]: row for row in found.controls[:4]}
    # Two of forty true images cannot be told apart.
    assert by_system["ceiling: true embeddings"].value == pytest.approx(38 / 40)
    assert by_system["floor: nearest training image"].value < 0.5
    nulls = [row for row in found.controls if row.system.startswith("floor: shuffled scans")]
    assert len(nulls) == len(found.rows)
    (closest, *_) = found.scored[0].near_duplicates["pool"]["closest"]
    assert closest["similarity"] == pytest.approx(1, abs=1e-5)


def test_floors_are_there_whatever_tops_are_asked_for(file_of, measured):
    path = file_of("ours")
    usual, fives = (measured(path, pools=("all",), tops=tops) for tops in ((1, 5), (5,)))
    assert not any("top-1 " in one.row.metric for one in fives.rows if one.p is not None)
    floors = [
        [one for one in found.controls if "training" in one.system] for found in (usual, fives)
    ]
    assert floors[0] == floors[1]
    assert len(floors[0]) == 2


def test_hits_of_the_pool_of_all_are_exact(file_of, measured, values_of):
    row = values_of(measured(file_of("ours"), pools=("all",)))["image retrieval top-1 of 40"]
    hits = np.zeros(IMAGES)
    hits[: round(row.value * IMAGES)] = 1
    exact = bootstrap_intervals({"hits": hits}, np.random.default_rng(0))["hits"]
    np.testing.assert_allclose([row.value, row.low, row.high], exact)


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"pools": (300,)}, "Pools of 300 are asked for, but there are 40 test images")],
)
def test_pools_that_cannot_be_drawn_are_refused(settings, text, file_of, measured):
    with pytest.raises(ValueError, match=text):
        measured(file_of("ours"), **settings)

"""The benchmark on embeddings from files, against the plain functions and slow definitions."""

import csv
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.files import read_json
from mindeye.metrics.bootstrap import bootstrap_intervals
from mindeye.metrics.statistics import bootstrap_interval, paired_difference_interval
from mindeye.report.banner import SIMULATED
from mindeye.retrieval.accuracy import retrieval_per_image
from mindeye.retrieval.pools import DrawnPools
from mindeye.retrieval.rank_scores import DIRECTIONS, rank_scores
from mindeye.verbs.retrieval.retrieval_benchmark import benchmark, save_benchmark
from mindeye.verbs.retrieval.retrieval_comparison import difference_rows
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


def measured(*files: str, opening: SourceSettings | None = None, **settings):
    sources = retrieval_sources((), files, opening or SourceSettings())
    return benchmark(sources, BenchmarkSettings(**{**FAST, **settings}))


def pairs_in(path: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Brain and images in the order of ids."""
    with np.load(path) as arrays:
        order = np.argsort(arrays["image_ids"])
        return tuple(torch.from_numpy(arrays[name][order]) for name in ("brain", "images"))


def values_of(found, system: str | None = None) -> dict[str, float]:
    return {one.row.metric: one.row for one in found.rows if system in (None, one.system)}


def test_values_are_those_of_the_plain_functions(file_of):
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


def test_intervals_are_those_of_each_metric_by_itself(file_of):
    path = file_of("ours")
    found = measured(path, pools=(10,), resamples=4000)
    values = retrieval_per_image(*pairs_in(path), (10,))["image retrieval top-1 of 10"]
    alone = bootstrap_interval(values, np.random.default_rng(3), resamples=4000)
    row = values_of(found)["image retrieval top-1 of 10"]
    np.testing.assert_allclose([row.low, row.high], alone[1:], atol=0.01)


def test_drawn_pools_stand_beside_the_exact_expectation(file_of):
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


def test_the_null_of_a_good_decoder_is_chance_and_of_a_bad_one_holds_its_value(file_of):
    good = measured(file_of("good"), pools=("all",))
    for one in good.rows:
        assert one.null.low <= one.row.chance <= one.null.high
        assert one.null.value == pytest.approx(one.row.chance, rel=0.3)
        assert one.p == 1 / 200
        assert one.q == pytest.approx(1 / 200)
    bad = measured(file_of("bad", noise=1e4), pools=("all",))
    assert min(one.p for one in bad.rows) > 0.01
    assert all(one.q >= one.p for one in bad.rows)


def test_published_labels_and_contiguous_pools_come_with_compat(file_of):
    path = file_of("ours")
    plain = measured(path, pools=(10, "all"))
    compat = measured(path, pools=(10, "all"), opening=SourceSettings(compat="mindeye1"))
    names = [one.row.metric for one in compat.rows]
    assert 'image retrieval top-1 of 10 (published as "Brain")' in names
    assert 'brain retrieval top-1 of 10 in 30 contiguous pools (published as "Image")' in names
    exact = [one.row.value for one in compat.rows if " pools" not in one.row.metric]
    assert exact == [one.row.value for one in plain.rows if " pools" not in one.row.metric]


def test_floor_and_ceiling_of_duplicates(file_of):
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


def test_floors_are_there_whatever_tops_are_asked_for(file_of):
    path = file_of("ours")
    usual, fives = (measured(path, pools=("all",), tops=tops) for tops in ((1, 5), (5,)))
    assert not any("top-1 " in one.row.metric for one in fives.rows if one.p is not None)
    floors = [
        [one for one in found.controls if "training" in one.system] for found in (usual, fives)
    ]
    assert floors[0] == floors[1]
    assert len(floors[0]) == 2


def test_near_duplicates_of_training_images_are_named_and_tenths_hold_all(file_of):
    path = file_of("ours")
    found = measured(path, pools=("all",)).scored[0].near_duplicates["training"]
    with np.load(path) as arrays:
        copied = set(arrays["image_ids"][:4].tolist())
    assert {one["image_id"] for one in found["closest"][:4]} == copied
    assert {one["other_id"] for one in found["closest"][:4]} == {1000, 1001, 1002, 1003}
    assert sum(part["n"] for part in found["tenths"]) == IMAGES
    mean = sum(part["n"] * part["image retrieval"][0] for part in found["tenths"]) / IMAGES
    name = f"image retrieval {found['metric']}"
    assert mean == pytest.approx(values_of(measured(path, pools=("all",)))[name].value)
    assert found["without the closest part"]["n"] == IMAGES - found["tenths"][-1]["n"]


def test_without_training_images_the_audit_says_so(file_of, tmp_path):
    found = measured(file_of("ours", training_images=None, training_ids=None), pools=("all",))
    assert found.scored[0].near_duplicates["training"] is None
    assert not [row for row in found.controls if "nearest" in row.system]
    save_benchmark(found, tmp_path / "out")
    assert "no training images were given" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "out" / "near_duplicates_image.png").exists()


def test_the_pool_curve_begins_at_two_ends_at_all_and_falls(file_of):
    path = file_of("ours")
    found = measured(path, pools=(37, "all"))
    curve = found.scored[0].curve
    sizes = curve["pool sizes"]
    assert (sizes[0], sizes[-1]) == (2, IMAGES)
    assert 37 in sizes
    values = [one[0] for one in curve["image retrieval"]]
    assert all(later <= before for before, later in itertools.pairwise(values))
    asked = values_of(found)["image retrieval top-1 of 37"]
    assert values[sizes.index(37)] == pytest.approx(asked.value)


def test_systems_are_compared_on_the_same_images(file_of):
    ours, ridge = file_of("ours"), file_of("ridge", noise=1.5)
    found = measured(ours, ridge, pools=(10,), resamples=4000)
    by_metric = {one.row.metric: one for one in found.differences}
    name = "image retrieval top-1 of 10"
    first, second = (retrieval_per_image(*pairs_in(path), (10,))[name] for path in (ours, ridge))
    expected = paired_difference_interval(first, second, np.random.default_rng(0), resamples=4000)
    row = by_metric[name].row
    assert row.system == "ours, subject 1 minus ridge"
    np.testing.assert_allclose([row.value, row.low, row.high], expected, atol=0.01)
    assert by_metric[name].p == 1 / 200
    turned = measured(ridge, ours, pools=(10,))
    assert {one.row.metric: one.row.value for one in turned.differences}[name] == pytest.approx(
        -row.value
    )
    # Two-sided: the worse system differs as surely.
    assert {one.row.metric: one.p for one in turned.differences}[name] == 1 / 200


def test_a_system_that_equals_another_differs_by_nothing_that_is_known_exactly(file_of):
    found = measured(file_of("one"), file_of("two"), pools=("all",))
    for one in found.differences:
        assert (one.row.value, one.p) == (0.0, 1.0)
        # No difference in 40 images: at most this share of images can have one.
        assert one.row.high == -one.row.low == pytest.approx(1 - 0.025 ** (1 / 40))


@pytest.mark.parametrize("num_images", [6, 7])
def test_equal_differences_are_as_far_as_any_flip_of_their_signs(num_images, file_of):
    one = measured(file_of("ours"), pools=("all",)).scored[0]
    scores = rank_scores(num_images, (num_images,), (1,))
    first, second = (
        replace(
            one,
            image_ids=np.arange(num_images),
            rivals=dict.fromkeys(DIRECTIONS, np.full(num_images, rivals)),
            scores=scores,
        )
        for rivals in (1, 2)
    )
    rows = difference_rows(first, second, BenchmarkSettings(permutations=20_000))
    reciprocal = next(one for one in rows if "reciprocal" in one.row.metric)
    # All signs alike: 2 of 2**n ways.
    assert reciprocal.p == pytest.approx(2.0 ** (1 - num_images), rel=0.2)


def test_subjects_come_first_then_their_mean_and_what_so_few_allow_to_say(file_of):
    files = [f"ours={file_of(f'subject{s}', s, 0.5 + s / 10)}" for s in (1, 2, 5, 7)]
    found = measured(*files, pools=("all",))
    name = "image retrieval top-1 of 40"
    rows = [one for one in found.ordered if one.row.metric == name]
    assert [one.row.system for one in rows] == [
        *(f"ours, subject {s}" for s in (1, 2, 5, 7)), "ours, mean of 4 subjects",
    ]  # fmt: skip
    assert rows[-1].row.value == pytest.approx(np.mean([one.row.value for one in rows[:4]]))
    assert rows[-1].row.n == 4
    assert any("better than chance in 4 of 4" in text for text in found.texts)
    assert found.limits == [
        "With 4 subjects no two-sided sign-flip test can fall below 0.125, so that none can reach "
        "0.05: rest on the count and on each subject."
    ]
    assert not [one for one in found.groups if "pools" in one.result.rows[0].metric]


def test_groups_of_differences_count_only_subjects_on_the_better_side(file_of):
    files = []
    for subject, (ours, other) in enumerate([(0.5, 1.6), (0.5, 1.6), (1.6, 0.5)], 1):
        files.append(f"ours={file_of(f'a{subject}', subject, ours)}")
        files.append(f"other={file_of(f'b{subject}', subject, other)}")
    found = measured(*files, pools=("all",))
    (group,) = [
        one
        for one in found.difference_groups
        if one.result.rows[0].metric == "image retrieval top-1 of 40"
    ]
    assert group.result.passed == 2
    assert "the first system ahead in 2 of 3" in group.result.text


def test_one_subject_is_told_that_it_is_one(file_of):
    found = measured(file_of("ours"), pools=("all",))
    assert found.texts == []
    assert "say nothing of other people" in found.limits[0]


def test_all_files_say_the_same_and_that_it_is_simulated(file_of, tmp_path):
    found = measured(file_of("ours"), file_of("ridge", noise=1.5), pools=(10, "all"))
    save_benchmark(found, tmp_path / "out")
    content = read_json(tmp_path / "out" / "retrieval.json")
    assert content["simulated"] == {"simulated": True, "said by": "ours.npz"}
    banner, *lines = (tmp_path / "out" / "retrieval.tsv").read_text().splitlines()
    assert banner == f"# {SIMULATED}"
    table = list(csv.DictReader(lines, delimiter="\t"))
    assert len(table) == len(content["rows"]) == len(found.ordered)
    for line, row, one in zip(table, content["rows"], found.ordered, strict=True):
        assert line["metric"] == row["metric"] == one.row.metric
        assert float(line["value"]) == row["value"] == one.row.value
        assert (line["p"] == "") == (row["p"] is None) == (one.p is None)
    ranks = list(
        csv.DictReader((tmp_path / "out" / "per_image.tsv").read_text().splitlines()[1:],
                       delimiter="\t")
    )  # fmt: skip
    assert len(ranks) == 2 * IMAGES
    first = [int(one["image retrieval rank"]) for one in ranks[:IMAGES]]
    np.testing.assert_array_equal(first, found.scored[0].rivals["image retrieval"] + 1)
    page = (tmp_path / "out" / "report.html").read_text()
    assert SIMULATED in page
    assert page.count("<picture>") == 6
    for name in ("pool_curve", "hubs", "near_duplicates"):
        for direction in ("image", "brain"):
            png = (tmp_path / "out" / f"{name}_{direction}.png").read_bytes()
            assert png.startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers_and_a_system_does_not_depend_on_its_company(file_of):
    ours, ridge = file_of("ours"), file_of("ridge", noise=1.5)
    alone, again, together = (
        measured(*files, pools=(10, "all")) for files in ((ours,), (ours,), (ours, ridge))
    )
    assert alone.rows == again.rows
    kept = [one for one in together.rows if one.system == "ours"]
    assert [one.row for one in kept] == [one.row for one in alone.rows]
    other = measured(ours, pools=(10, "all"), seed=1)
    first, second = (values_of(one)["image retrieval top-1 of 10"] for one in (other, alone))
    assert first.value == second.value
    assert first.low != second.low


def test_hits_of_the_pool_of_all_are_exact(file_of):
    row = values_of(measured(file_of("ours"), pools=("all",)))["image retrieval top-1 of 40"]
    hits = np.zeros(IMAGES)
    hits[: round(row.value * IMAGES)] = 1
    exact = bootstrap_intervals({"hits": hits}, np.random.default_rng(0))["hits"]
    np.testing.assert_allclose([row.value, row.low, row.high], exact)


@pytest.mark.parametrize(
    ("settings", "text"),
    [({"pools": (300,)}, "Pools of 300 are asked for, but there are 40 test images")],
)
def test_pools_that_cannot_be_drawn_are_refused(settings, text, file_of):
    with pytest.raises(ValueError, match=text):
        measured(file_of("ours"), **settings)


def test_what_cannot_be_compared_is_refused(file_of):
    with pytest.raises(ValueError, match="nothing to measure"):
        measured()
    with pytest.raises(ValueError, match="second with subject 1 under the name `ours`"):
        measured(f"ours={file_of('one')}", f"ours={file_of('two')}", pools=("all",))
    with pytest.raises(ValueError, match="embeddings of no known subject"):
        measured(f"a={file_of('one', None)}", f"a={file_of('two', None)}", pools=("all",))
    others = np.arange(IMAGES) + 500
    with pytest.raises(ValueError, match="80 are only in one of both"):
        measured(file_of("one"), file_of("two", image_ids=others), pools=("all",))
    for quirk, text in (
        ("averaged_outputs", "`averaged_outputs` changes nothing"),
        ("contiguous_pools", "Only drawn pools can be contiguous"),
    ):
        opening = SourceSettings(quirk_settings=(f"{quirk}=on",))
        with pytest.raises(ValueError, match=text):
            measured(file_of("one"), opening=opening)
    broken = np.full((IMAGES, FEATURES), np.nan, dtype=np.float32)
    with pytest.raises(FloatingPointError, match="40 of 40 brain embeddings"):
        measured(file_of("broken", brain=broken), pools=("all",))

"""Which evaluations can be compared: the same data, subject, protocol and networks, and whole."""

import json

import pytest

from mindeye.files import read_json
from mindeye.report.banner import SIMULATED
from mindeye.verbs.evaluation.evaluated import Allowed


def change(evaluation, **values):
    path = evaluation / "evaluation.json"
    path.write_text(json.dumps({**read_json(path), **values}))


SIMULATION = {"simulated": True, "preset": "tests"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric_protocol": "mindeye1: pixels 256"},
         "good and poor have different metric protocols: .*, and pixels 256"),
        ({"subject": 5},
         "different subjects: unknown subject, and subject 5. .* --across-subjects"),
        ({"simulated": SIMULATION},
         "different data: not simulated, and simulated. .* --simulated-with-real"),
    ],
)  # fmt: skip
def test_what_differs_by_more_than_the_system_is_refused_and_both_are_named(
    values, message, compare, evaluations, tmp_path
):
    change(evaluations["poor"], **values)
    with pytest.raises(ValueError, match=message):
        compare("good", "poor")
    assert not (tmp_path / "out").exists()


def test_other_weights_of_a_judging_network_are_refused(compare, evaluations):
    change(evaluations["good"], judges={"clip": "clip sha256:aaa"})
    change(evaluations["poor"], judges={"clip": "clip sha256:bbb"})
    with pytest.raises(ValueError, match=r"network clip: clip sha256:aaa, and clip sha256:bbb"):
        compare("good", "poor")


def test_simulated_subjects_of_other_seeds_are_other_people(compare, evaluations):
    for name, seed in (("good", 0), ("poor", 1)):
        change(evaluations[name], subject=1, simulated={**SIMULATION, "seed": seed})
    with pytest.raises(ValueError, match=r"with seed 0, and subject 1 of the simulation `tests` w"):
        compare("good", "poor")


def test_mindeye1_and_mindeye2_resize_alike_and_are_compared(compare, evaluations):
    change(evaluations["good"], metric_protocol="mindeye1: pixels 256")
    change(evaluations["poor"], metric_protocol="mindeye2: pixels 256")
    assert compare("good", "poor").rows


def test_who_asks_for_it_gets_other_subjects_and_simulated_data_beside_real_ones(
    compare, evaluations, tmp_path
):
    change(evaluations["poor"], subject=5, simulated=SIMULATION)
    compare("good", "poor", allowed=Allowed(across_subjects=True, simulated_with_real=True))
    for name in ("comparison.html", "comparison.md", "comparison.tsv", "comparison.tex"):
        assert SIMULATED in (tmp_path / "out" / name).read_text()


def test_no_common_image_is_refused_with_the_counts(compare, evaluations):
    table = evaluations["poor"] / "per_image.tsv"
    header, *lines = table.read_text().splitlines()
    cells = [line.split("\t") for line in lines]
    moved = ["\t".join([*one[:2], str(int(one[2]) + 100_000), one[3]]) for one in cells]
    table.write_text("\n".join([header, *moved]) + "\n")
    with pytest.raises(ValueError, match=r"0 images are common to all systems \(good 24, poor 18"):
        compare("good", "poor")


def test_one_evaluation_the_same_twice_and_two_of_one_name_are_refused(compare, evaluations):
    with pytest.raises(ValueError, match="1 evaluation was given"):
        compare("good")
    with pytest.raises(ValueError, match="was given twice"):
        compare("good", str(evaluations["good"] / "evaluation.json"))
    with pytest.raises(ValueError, match="names no system"):
        compare(f"={evaluations['good']}", "poor")
    named = [f"mine={evaluations[name]}" for name in ("good", "poor")]
    with pytest.raises(ValueError, match="Several evaluations are called `mine`"):
        compare(*named)
    assert [one.name for one in compare(f"mine={evaluations['good']}", "poor").systems] == [
        "mine",
        "poor",
    ]


def test_systems_called_alike_take_the_names_of_their_folders(compare, evaluations):
    change(evaluations["good"], system="mindeye")
    change(evaluations["poor"], system="mindeye")
    for name in ("good", "poor"):
        table = evaluations[name] / "per_image.tsv"
        table.write_text(table.read_text().replace(f"\n{name}\t", "\nmindeye\t"))
    assert [one.name for one in compare("good", "poor").systems] == ["good", "poor"]


@pytest.mark.parametrize("key", ["judges", "metric_protocol", "system"])
def test_an_evaluation_that_does_not_tell_how_it_was_made_is_refused(compare, evaluations, key):
    path = evaluations["poor"] / "evaluation.json"
    content = {name: one for name, one in read_json(path).items() if name != key}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"does not tell {key}, .* `mindeye evaluate` again"):
        compare("good", "poor")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no values of `poor` for every image"), ("a\tb\n1\t2\n", "lines of another form"),
     ("system\tmetric\timage_id\tvalue\npoor\tSSIM\t1\tx\n", "lines of another form"),
     ("system\tmetric\timage_id\tvalue\npoor\tSSIM\t1\t0.2", "ends within a line: it was cut")],
)  # fmt: skip
def test_a_damaged_table_is_refused(compare, evaluations, text, message):
    (evaluations["poor"] / "per_image.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        compare("good", "poor")

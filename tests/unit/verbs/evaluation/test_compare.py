"""`mindeye compare`: three toy systems, evaluated by the verb itself."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.files import read_json
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.report.banner import SIMULATED
from mindeye.verbs.evaluation.compare import compare_evaluations
from mindeye.verbs.evaluation.comparison_pictures import mean_ranks
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.evaluation.evaluated import Allowed

NUM_IMAGES = 24
# Share of noise in the pictures of each system.
NOISE = {"good": 0.3, "middling": 0.6, "poor": 0.9}


def save(path, pictures, image_ids):
    np.savez(path, images=pictures, image_ids=image_ids)
    return path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """FOLDER/{good,middling,poor} hold evaluations of pictures with more and more noise."""
    folder = tmp_path_factory.mktemp("systems")
    rng = np.random.default_rng(2)
    shape = (NUM_IMAGES, 16, 16, 3)
    ids = np.sort(rng.choice(73_000, NUM_IMAGES, replace=False))
    shown = rng.integers(0, 256, shape, dtype=np.uint8)
    save(folder / "shown.npz", shown, ids)
    for name, share in NOISE.items():
        noise = rng.integers(0, 256, shape)
        drawn = ((1 - share) * shown + share * noise).astype(np.uint8)
        # The poor system has six images fewer, and its pictures in another order.
        rows = rng.permutation(NUM_IMAGES)[: NUM_IMAGES - 6 * (name == "poor")]
        path = save(folder / f"{name}.npz", drawn[rows], ids[rows])
        asked = PicturesAsked(reconstructions=path, images=folder / "shown.npz")
        evaluate_pictures(asked, folder / name, HowToScore())
    return folder


@pytest.fixture
def evaluations(made, tmp_path):
    """Paths of a copy, which a test may change; the pictures stay where they were evaluated."""
    for name in NOISE:
        shutil.copytree(made / name, tmp_path / name)
    return {name: tmp_path / name for name in NOISE}


@pytest.fixture
def compare(evaluations, tmp_path):
    def run(*names, allowed=None, **settings):
        given = [str(evaluations.get(name, name)) for name in names]
        allowed = Allowed() if allowed is None else allowed
        return compare_evaluations(given, tmp_path / "out", allowed=allowed, **settings)

    return run


def values_of(evaluation):
    """(metric, image id) -> value of the system, from the file itself."""
    lines = (evaluation / "per_image.tsv").read_text().splitlines()
    system = read_json(evaluation / "evaluation.json")["system"]
    return {
        (one["metric"], int(one["image_id"])): float(one["value"])
        for one in csv.DictReader(lines, delimiter="\t")
        if one["system"] == system
    }


def test_systems_are_compared_on_the_images_that_all_have(compare, evaluations):
    """The witness reads the per-image tables by itself."""
    found = compare("good", "poor")
    tables = {name: values_of(evaluations[name]) for name in ("good", "poor")}
    common = sorted({image for _, image in tables["good"]} & {image for _, image in tables["poor"]})
    assert found.image_ids.tolist() == common
    assert len(common) == 18
    for one in found.differences:
        expected = np.mean(
            [
                tables["good"][one.metric, image] - tables["poor"][one.metric, image]
                for image in common
            ]
        )
        assert one.value == pytest.approx(expected)
        assert (one.first, one.second, one.num_images) == ("good", "poor", 18)
    rows = {(row.system, row.metric): row.value for row in found.rows}
    expected = np.mean([tables["poor"]["SSIM", image] for image in common])
    assert rows["poor", "SSIM"] == pytest.approx(expected)
    assert any("Only the 18 common images are compared (evaluated: good 24, poor 18)" in note
               for note in found.notes)  # fmt: skip


def test_every_pair_is_compared_or_all_with_the_reference(compare, tmp_path):
    pairs = {(one.first, one.second) for one in compare("good", "middling", "poor").differences}
    assert pairs == {("good", "middling"), ("good", "poor"), ("middling", "poor")}
    again = compare("good", "middling", "poor", reference="middling")
    pairs = {(one.first, one.second) for one in again.differences}
    assert pairs == {("good", "middling"), ("poor", "middling")}
    with pytest.raises(LookupError, match=r"`bad` is none of the systems\. Choose one of good"):
        compare("good", "poor", reference="bad")


def test_all_forms_say_the_same_numbers(compare, tmp_path):
    found = compare("good", "middling")
    out = tmp_path / "out"
    assert {path.suffix for path in out.iterdir()} == {".html", ".json", ".tsv", ".md", ".tex"}
    content = read_json(out / "comparison.json")
    assert content["images"] == found.image_ids.tolist()
    records = list(csv.DictReader((out / "comparison.tsv").open(), delimiter="\t"))
    for one in found.differences:
        (record,) = (
            line for line in records
            if (line["system"], line["metric"]) == ("good minus middling", one.metric)
        )  # fmt: skip
        assert float(record["value"]) == one.value
        assert float(record["p_adjusted"]) == one.adjusted_p
        text = f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
        for name in ("comparison.md", "comparison.tex", "comparison.html"):
            assert text in (out / name).read_text()
        assert {"metric": one.metric, "value": one.value}.items() <= next(
            line for line in content["differences"] if line["metric"] == one.metric
        ).items()
    assert "MindEye2" in (out / "comparison.html").read_text()
    assert content["published"][0]["source"]


def test_the_page_stands_alone_with_pictures_chosen_at_random_and_by_score(compare, tmp_path):
    found = compare("good", "middling", seed=3)
    text = (tmp_path / "out" / "comparison.html").read_text()
    addresses = re.findall(r'(?:src|href|srcset)="([^"]{1,40})', text)
    assert all(one.startswith(("data:image/png", "#")) for one in addresses)
    sections = re.split(r"<h2>", text)
    by_title = {one.partition("<")[0]: one for one in sections}
    assert "drawn at random and none left out" in by_title["Images drawn at random"]
    ranks = mean_ranks(found.scores, found.better)
    best = found.image_ids[np.argsort(-ranks)][:6].tolist()
    shown = [int(one) for one in re.findall(r'class="id">image (\d+)', by_title["Best images"])]
    assert shown == best
    assert "chosen by the score, not typical" in by_title["Worst images"]
    assert by_title["Best images"].count("<img") == 6 * 3
    assert found.notes == [one for one in found.notes if "No pictures" not in one]


def test_ranks_tell_the_best_image_of_all_systems_whatever_is_better():
    scores = {"a": {"x": np.array([1.0, 2.0, 3.0]), "d": np.array([0.3, 0.2, 0.1])}}
    assert mean_ranks(scores, {"x": "higher", "d": "lower"}).tolist() == [0, 0.5, 1]
    assert mean_ranks(scores, {"x": "higher", "d": "higher"}).tolist() == [0.5, 0.5, 0.5]


def test_pictures_that_changed_since_are_left_out_with_a_note(compare, made, tmp_path):
    path = made / "middling.npz"
    before = path.read_bytes()
    try:
        with np.load(path) as stored:
            save(path, stored["images"][::-1], stored["image_ids"])
        compare("good", "middling")
    finally:
        path.write_bytes(before)
    text = (tmp_path / "out" / "comparison.html").read_text()
    assert "No pictures of `middling`" in text
    assert "has changed since it was evaluated" in text


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


def test_one_id_for_two_pictures_is_refused_by_name(compare, made, tmp_path):
    """As where ids count from 1 on one side: every image is its neighbour."""
    with np.load(made / "shown.npz") as stored:
        pictures, ids = stored["images"], stored["image_ids"]
    moved = save(tmp_path / "moved.npz", np.roll(pictures, 1, axis=0), ids)
    same = save(tmp_path / "same.npz", (pictures / 255).astype(np.float32), ids)
    for path in (moved, same):
        asked = PicturesAsked(reconstructions=made / "good.npz", images=path)
        evaluate_pictures(asked, tmp_path / path.stem, HowToScore())
    with pytest.raises(ValueError, match=r"Image \d+ is another picture for poor .* than for mine"):
        compare("poor", f"mine={tmp_path / 'moved'}")
    assert not (tmp_path / "out").exists()
    assert len(compare("poor", f"mine={tmp_path / 'same'}").image_ids) == 18
    same.unlink()
    found = compare("poor", f"mine={tmp_path / 'same'}")
    assert any(note.startswith("Whether poor and mine had the same") for note in found.notes)


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
     ("system\tmetric\timage_id\tvalue\npoor\tSSIM\t1\tx\n", "lines of another form")],
)  # fmt: skip
def test_a_damaged_table_is_refused(compare, evaluations, text, message):
    (evaluations["poor"] / "per_image.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        compare("good", "poor")


def test_a_folder_with_other_things_in_it_is_left_alone(compare, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="is not empty and holds no comparison"):
        compare("good", "poor")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_the_same_seed_gives_the_same_bytes(compare, tmp_path, contents):
    compare("good", "middling", seed=5)
    first = contents(tmp_path / "out")
    compare("good", "middling", seed=5)
    assert contents(tmp_path / "out") == first


def test_the_command_says_the_tables_and_where_the_page_is(evaluations, tmp_path, capsys):
    out = tmp_path / "out"
    main(["compare", *map(str, evaluations.values()), "--out", str(out), "--reference", "good"])
    text = capsys.readouterr().out
    assert "middling minus good" in text
    assert "p adjusted" in text
    assert f"page: {out / 'comparison.html'}" in text
    with pytest.raises(SystemExit) as caught:
        main(["compare", str(tmp_path / "absent"), str(evaluations["good"])])
    assert caught.value.code == 2
    assert "absent is missing. Give a folder that `mindeye evaluate`" in capsys.readouterr().err

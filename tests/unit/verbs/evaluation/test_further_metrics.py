"""What `mindeye evaluate` adds where it is asked, on what a finished run has drawn."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.metrics import frechet
from mindeye.metrics.brain_correlation import brain_correlation, train_encoding
from mindeye.metrics.captions import bleu4, words_of
from mindeye.metrics.protocols import NATIVE_PROTOCOL
from mindeye.pictures import as_images
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.network import MetricNetwork
from mindeye.verbs.evaluation import brain_part, set_part
from mindeye.verbs.evaluation.caption_part import NEEDS, matched_captions, read_captions
from mindeye.verbs.evaluation.comparison import compared
from mindeye.verbs.evaluation.evaluate import SHUFFLED, evaluate_folder
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.evaluation.evaluated import Allowed, read_evaluated, require_comparable
from mindeye.verbs.evaluation.further_metrics import FurtherAsked
from mindeye.verbs.saved_results import read_pictures

IDS = np.arange(300, 308)
V1 = "brain correlation (V1)"
REGIONS = {"V1": np.arange(20) < 12, "hV4": np.arange(20) >= 17}


@pytest.fixture
def regions(monkeypatch):
    """The tiny subject has no labels on its disk; here twelve and three voxels have one."""
    monkeypatch.setattr(PreparedSubject, "roi_of_voxels", lambda self: REGIONS)


@pytest.fixture
def captions(tmp_path):
    """Writes captions by id as JSON."""

    def write(name, texts):
        path = tmp_path / name
        path.write_text(json.dumps({str(image_id): text for image_id, text in texts.items()}))
        return path

    return write


def test_other_numbers_do_not_move_with_what_is_added(finished_run, regions):
    folder = finished_run / "reconstructions"
    before = read_json(folder / "evaluation.json")
    result = evaluate_folder(folder, run_path=finished_run, further=FurtherAsked(brain=True))
    after = read_json(folder / "evaluation.json")
    assert after["rows"][: len(before["rows"])] == before["rows"]
    assert len(after["rows"]) > len(before["rows"])
    assert after["judges"]["encoding model"].endswith("24 training images of made up")
    left_out = "Brain correlation leaves out regions of few voxels: hV4 (3)."
    assert result.about["notes"] == [brain_part.NO_BOUND, left_out]


def test_brain_correlation_is_that_of_a_ridge_of_the_training_images(
    finished_run, regions, tiny_prepared, networks
):
    folder = finished_run / "reconstructions"
    result = evaluate_folder(folder, run_path=finished_run, further=FurtherAsked(brain=True))
    prepared, clip = PreparedSubject(tiny_prepared), load_clip(networks.clip)

    def seen(pictures):
        return clip.tokens(as_images(np.array(pictures)))[:, 0].detach().numpy()

    train, test = prepared.repeats("train"), prepared.repeats("test")
    ids = train.image_ids.numpy()
    features = seen(prepared.images[prepared.rows_of(ids)])
    model = train_encoding(features, train.mean().numpy(), ids)
    known = (test.mean().numpy(), IDS, {"V1": REGIONS["V1"]})
    drawn = read_pictures(folder)
    order = np.argsort(drawn.image_ids)
    for system, pictures in (
        ("mindeye", drawn.pictures[order]),
        (brain_part.SHOWN, prepared.images[prepared.rows_of(IDS)]),
    ):
        expected = brain_correlation(model, seen(pictures), *known)[V1]
        found = result.per_image[system][V1][np.argsort(result.image_ids)]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    (row,) = (row for row in result.rows if (row.system, row.metric) == ("mindeye", V1))
    assert (row.chance, row.better, row.n) == (0.0, "higher", 8)
    assert row.low < row.value < row.high
    assert {V1, "brain correlation (all voxels)"} <= result.per_image[SHUFFLED].keys()
    assert "brain correlation (hV4)" not in result.per_image["mindeye"]


def test_pictures_of_any_origin_have_the_same_brain_correlation(
    finished_run, regions, tiny_prepared, networks, tmp_path
):
    folder, further = finished_run / "reconstructions", FurtherAsked(brain=True)
    ours = evaluate_folder(folder, run_path=finished_run, further=further)
    asked = PicturesAsked(reconstructions=folder, images=tiny_prepared, data=tiny_prepared)
    how = HowToScore(clip=networks.clip, further=further)
    found = evaluate_pictures(asked, tmp_path / "scores", how)
    order = np.argsort(ours.image_ids)
    np.testing.assert_allclose(
        found.per_image["mindeye"][V1], ours.per_image["mindeye"][V1][order], atol=1e-5
    )


def test_without_betas_they_are_asked_for(finished_run, networks, tmp_path):
    pictures = finished_run / "reconstructions" / "pictures"
    asked = PicturesAsked(reconstructions=pictures, images=pictures)
    how = HowToScore(clip=networks.clip, further=FurtherAsked(brain=True))
    with pytest.raises(ValueError, match="--brain needs the measured betas"):
        evaluate_pictures(asked, tmp_path / "scores", how)
    assert not (tmp_path / "scores").exists()


def test_betas_of_another_person_are_refused(
    finished_run, tiny_prepared, networks, tmp_path, change_json
):
    other = shutil.copytree(tiny_prepared, tmp_path / "other")
    change_json(other / "manifest.json", lambda content: content.update(subject=2))
    pictures = finished_run / "reconstructions" / "pictures"
    asked = PicturesAsked(reconstructions=pictures, images=tiny_prepared, data=other)
    how = HowToScore(clip=networks.clip, further=FurtherAsked(brain=True))
    with pytest.raises(ValueError, match="betas of subject 2, but the pictures are of subject 1"):
        evaluate_pictures(asked, tmp_path / "scores", how)
    assert not (tmp_path / "scores").exists()


def test_a_subject_without_region_labels_is_refused_and_nothing_is_written(
    finished_run, contents, capsys
):
    before = contents(finished_run)
    folder = str(finished_run / "reconstructions")
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", folder, "--run", str(finished_run), "--brain"])
    assert caught.value.code == 2
    assert "has no region of 10 voxels or more" in capsys.readouterr().err
    assert contents(finished_run) == before


def test_images_that_are_no_test_images_have_no_betas(tiny_prepared, regions):
    prepared = PreparedSubject(tiny_prepared)
    with pytest.raises(LookupError, match="are test images of"):
        brain_part.measured_brain(prepared, prepared, np.array([300, 999]))
    with pytest.raises(ValueError, match=r"2 of these images are training images .*\[100, 101\]"):
        brain_part.measured_brain(prepared, prepared, np.array([100, 101]))


def test_brain_correlation_without_a_clip_says_which_to_give():
    with pytest.raises(ValueError, match="needs a CLIP that sees the pictures"):
        brain_part.judge_of({})


def test_captions_are_matched_by_id_and_scored_with_a_floor(finished_run, captions):
    texts = {image_id: f"a red dog number {image_id} by the sea" for image_id in IDS.tolist()}
    told = {image_id: text.replace("red", "blue") for image_id, text in reversed(texts.items())}
    asked = FurtherAsked(captions=captions("a", told), captions_shown=captions("b", texts))
    folder = finished_run / "reconstructions"
    result = evaluate_folder(folder, run_path=finished_run, further=asked)
    ours, floor = (result.per_image[name] for name in ("mindeye", SHUFFLED))
    first = int(result.image_ids[0])
    assert ours["BLEU-4"][0] == bleu4(words_of(told[first]), [words_of(texts[first])])
    assert ours["ROUGE-1"] == pytest.approx(np.full(8, 7 / 8))
    assert floor["ROUGE-1"] == pytest.approx(np.full(8, 6 / 8))
    assert len([name for name in ours if name.startswith("METEOR")]) == 1
    table = (folder / "per_image.tsv").read_text()
    assert f"mindeye\tROUGE-L\t{first}\t" in table
    assert result.about["captions"]["decoded"]["sha256"]


def test_what_is_added_is_compared_like_everything_else(
    finished_run, regions, captions, tiny_prepared, networks, tmp_path
):
    texts = {image_id: f"a dog number {image_id}" for image_id in IDS.tolist()}
    shown = captions("shown", texts)
    paths = []
    for name, told in (("good", texts), ("bad", dict.fromkeys(texts, "three cats"))):
        further = FurtherAsked(brain=True, captions=captions(name, told), captions_shown=shown)
        folder = finished_run / "reconstructions"
        asked = PicturesAsked(reconstructions=folder, images=tiny_prepared, data=tiny_prepared)
        how = HowToScore(clip=networks.clip, further=further)
        evaluate_pictures(asked, tmp_path / f"{name}_scores", how)
        paths.append(f"{name}={tmp_path / name}_scores")
    systems = read_evaluated(paths)
    require_comparable(systems, Allowed())
    found = {one.metric: one for one in compared(systems, None, 0).differences}
    assert found["ROUGE-1"].value == pytest.approx(1.0)
    assert found[V1].value == 0
    assert compared(systems, None, 0).better["BLEU-4"] == "higher"
    other = {**systems[1].content, "judges": {**systems[1].content["judges"]}}
    other["judges"]["encoding model"] = "another"
    with pytest.raises(ValueError, match="weights of the judging network encoding model"):
        require_comparable([systems[0], replace(systems[1], content=other)], Allowed())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"1": "a", "1": "b"}', ValueError, "has image 1 twice"),
        ("1\ta\n01\tb\n", ValueError, "has image 1 twice"),
        ('{"1": " .. "}', ValueError, "empty caption of image 1"),
        ('{"1": 3}', ValueError, "empty caption of image 1"),
        ("image_id\tcaption\n", ValueError, "holds no caption"),
        ("", ValueError, "holds no caption"),
        ('{"one": "a"}', ValueError, "has the image id 'one'"),
        ('{"1": ', ValueError, "cannot be read"),
        ("a dog\n", ValueError, "has the line 'a dog'"),
        ('{"1": ["a dog", "one dog"], "2": "b"}', ValueError, "has 2 captions of image 1"),
        ('{"1": "a", "2": "b", "9": "c"}', LookupError, "of 1 images that are not evaluated"),
        ('{"1": "a"}', LookupError, "has no caption of 1 of 2 images, first id 2"),
    ],
)
def test_captions_that_do_not_fit_are_refused(content, error, message, captions, tmp_path):
    shown = captions("shown", {1: ["a dog", "one dog"], 2: "a cat", 3: "more"})
    path = tmp_path / "decoded"
    path.write_text(content)
    with pytest.raises(error, match=message):
        matched_captions(path, shown, np.array([1, 2]))


def test_captions_are_read_from_lines_with_and_without_a_header(tmp_path):
    path = tmp_path / "captions.tsv"
    path.write_text("# simulated\nimage_id\tcaption\n7\ta dog\n8\ta cat\n")
    assert read_captions(path) == {7: ("a dog",), 8: ("a cat",)}
    path.write_text("7\ta dog\n")
    assert read_captions(path) == {7: ("a dog",)}


def test_without_captions_of_what_was_shown_they_are_asked_for(finished_run, captions):
    asked = FurtherAsked(captions=captions("told", {1: "a dog"}))
    with pytest.raises(ValueError, match=r"has no captions .* --captions-shown"):
        evaluate_folder(finished_run / "reconstructions", run_path=finished_run, further=asked)


def test_without_nltk_one_sentence_says_how_to_install_it(captions, monkeypatch):
    monkeypatch.delitem(sys.modules, "mindeye.metrics.captions")
    for name in [one for one in sys.modules if one.partition(".")[0] == "nltk"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nltk", None)
    path = captions("told", {1: "a dog"})
    with pytest.raises(ValueError, match="pip install 'mindeye") as caught:
        matched_captions(path, path, np.array([1]))
    assert str(caught.value) == NEEDS


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

"""`mindeye evaluate --captions`: captions by id against those of what was shown."""

import sys

import numpy as np
import pytest

from mindeye.metrics.captions import bleu4, words_of
from mindeye.verbs.evaluation.caption_part import NEEDS, matched_captions, read_captions
from mindeye.verbs.evaluation.evaluate import SHUFFLED, evaluate_folder
from mindeye.verbs.evaluation.further_metrics import FurtherAsked

IDS = np.arange(300, 308)


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

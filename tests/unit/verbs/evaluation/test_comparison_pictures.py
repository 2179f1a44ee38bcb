"""Pictures beside a comparison: which are shown, and whether they are the same for all."""

import re

import numpy as np
import pytest

from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.verbs.evaluation.comparison_pictures import mean_ranks
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures


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


def test_pictures_that_changed_since_are_left_out_with_a_note(compare, toy_systems, tmp_path):
    path = toy_systems / "middling.npz"
    before = path.read_bytes()
    try:
        with np.load(path) as stored:
            np.savez(path, images=stored["images"][::-1], image_ids=stored["image_ids"])
        compare("good", "middling")
    finally:
        path.write_bytes(before)
    text = (tmp_path / "out" / "comparison.html").read_text()
    assert "No pictures of `middling`" in text
    assert "has changed since it was evaluated" in text


def test_one_id_for_two_pictures_is_refused_by_name(compare, toy_systems, tmp_path):
    """As where ids count from 1 on one side: every image is its neighbour."""
    with np.load(toy_systems / "shown.npz") as stored:
        pictures, ids = stored["images"], stored["image_ids"]
    moved, same = tmp_path / "moved.npz", tmp_path / "same.npz"
    np.savez(moved, images=np.roll(pictures, 1, axis=0), image_ids=ids)
    np.savez(same, images=(pictures / 255).astype(np.float32), image_ids=ids)
    for path in (moved, same):
        asked = PicturesAsked(reconstructions=toy_systems / "good.npz", images=path)
        evaluate_pictures(asked, tmp_path / path.stem, HowToScore())
    with pytest.raises(ValueError, match=r"Image \d+ is another picture for poor .* than for mine"):
        compare("poor", f"mine={tmp_path / 'moved'}")
    assert not (tmp_path / "out").exists()
    assert len(compare("poor", f"mine={tmp_path / 'same'}").image_ids) == 18
    same.unlink()
    found = compare("poor", f"mine={tmp_path / 'same'}")
    assert any(note.startswith("Whether poor and mine had the same") for note in found.notes)

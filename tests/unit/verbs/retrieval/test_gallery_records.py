"""What records of a gallery retrieval say of each picture, and what a folder is not mixed with."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.files import read_json
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.pictures.outcomes import Fetched
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.retrieval.gallery.planted.planted import SAME
from mindeye.verbs.retrieval.gallery_material import GallerySettings, open_material
from mindeye.verbs.retrieval.gallery_retrieval import RetrievalSettings, retrieve_from_gallery
from mindeye.verbs.retrieval.gallery_selection import fitted, selector_of, selector_of_run

FEW = RetrievalSettings(k=4, candidates=20)
MORE = RetrievalSettings(k=16, candidates=158)
PLANTED = range(150, 158)


def test_the_seen_picture_is_known_by_its_likeness_and_shares_count_it(material, reader, tmp_path):
    found = retrieve_from_gallery(material, selector_of(material), reader, MORE, tmp_path / "out")
    own = [[one["row"] == row for one in record["found"]]
           for row, record in zip(PLANTED, found.records, strict=True)]  # fmt: skip
    alike = [[one["likeness"] >= SAME for one in record["found"]] for record in found.records]
    assert alike == own
    assert 0 < sum(map(any, own)) < 8
    chosen = [[one["chosen"] for one in record["found"]].index(True) for record in found.records]
    shares = {
        "most similar": np.mean([one[0] for one in own]),
        "among those shown": np.mean([any(one) for one in own]),
        "chosen": np.mean([one[place] for one, place in zip(own, chosen, strict=True)]),
    }
    assert found.shares() == pytest.approx(shares)
    assert read_json(tmp_path / "out" / "retrieved.json")["shares"] == pytest.approx(shares)


class OddRowsAreGone(PictureReader):
    def read(self, rows):
        found = zip(rows, super().read(rows), strict=True)
        return [Fetched(None, "status 404") if row % 2 else one for row, one in found]


def test_a_rank_is_that_among_all_candidates_also_where_pictures_are_passed_over(
    material, planted_gallery, tmp_path
):
    reader = OddRowsAreGone(gallery=open_gallery(planted_gallery))
    found = retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "out")
    rows = material.index.search(material.brain, 20).rows
    for image, record in enumerate(found.records):
        even = [place for place, row in enumerate(rows[image].tolist()) if row % 2 == 0][:4]
        assert [one["rank"] for one in record["found"]] == [place + 1 for place in even]
        assert [one["row"] for one in record["found"]] == rows[image][even].tolist()


def test_of_neighbours_alike_one_is_taken(material, reader, tmp_path):
    # Of the tests' network all pictures are alike.
    one = replace(FEW, distinct_below=-1.0)
    found = retrieve_from_gallery(material, selector_of(material), reader, one, tmp_path / "out")
    assert [len(record["found"]) for record in found.records] == [1] * 8


def test_a_folder_of_another_gallery_or_of_anything_else_is_refused(material, reader, tmp_path):
    selector, out = selector_of(material), tmp_path / "out"
    retrieve_from_gallery(material, selector, reader, FEW, out)
    gallery = {**material.about["gallery"], "manifest": "0" * 64}
    other = replace(material, about={**material.about, "gallery": gallery})
    with pytest.raises(ValueError, match=r"retrieved otherwise \(gallery differ\)"):
        retrieve_from_gallery(other, selector, reader, FEW, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no retrieval"):
        retrieve_from_gallery(material, selector, reader, FEW, tmp_path / "full")
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_stored_tokens_choose_without_the_network(material, reader):
    rows = np.array([3, 151, 97])
    pictures = np.stack([one.picture for one in reader.read(rows)])
    selector = selector_of(material)
    by_network = replace(selector, gallery=None).scores(2, rows, pictures)
    np.testing.assert_allclose(selector.scores(2, rows, pictures), by_network, atol=2e-3)
    blank = np.zeros_like(pictures)
    assert (selector.scores(2, rows, blank) == selector.scores(2, rows, pictures)).all()


def test_a_run_that_was_tested_on_other_images_does_not_choose(finished_run, material):
    other = replace(material, image_ids=material.image_ids + 1)
    with pytest.raises(ValueError, match=r"has 8 test images, .* 8 others"):
        selector_of_run(finished_run, other, "cpu")


def test_candidates_are_cropped_to_their_middle():
    square = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    dark = np.zeros((32, 20, 3), np.uint8)
    for picture in (
        np.concatenate([dark, square, dark], 1),
        np.concatenate([dark.transpose(1, 0, 2), square, dark.transpose(1, 0, 2)]),
    ):
        assert (fitted(picture, 32) == square).all()


def test_truths_are_the_vectors_of_the_planted_pictures(material):
    planted = material.gallery.vectors(np.array(PLANTED))
    np.testing.assert_allclose(material.truths, planted, atol=2e-3)
    np.testing.assert_allclose(material.looks, planted, atol=2e-3)


def test_the_quirk_of_averaged_outputs_changes_what_is_searched_for(
    finished_run, planted_gallery, material
):
    on = GallerySettings(quirk_settings=["averaged_outputs=on"])
    averaged = open_material(finished_run, planted_gallery, on)
    assert averaged.about["quirks"] == ["averaged_outputs"]
    assert np.abs(averaged.brain - material.brain).max() > 1e-4


def test_tokens_without_an_embedding_and_unknown_ways_are_refused(
    finished_run, planted_gallery, change_json
):
    with pytest.raises(LookupError, match=r"`smell`\. Choose embedding or tokens"):
        open_material(finished_run, planted_gallery, GallerySettings(by="smell"))
    patches = {"clip_tokens": "patches"}
    change_json(finished_run / "provenance.json", lambda content: content.update(patches))
    with pytest.raises(ValueError, match="learned `patches` tokens, of which none is comparable"):
        open_material(finished_run, planted_gallery, GallerySettings())

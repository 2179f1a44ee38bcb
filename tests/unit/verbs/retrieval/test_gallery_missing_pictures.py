"""`mindeye retrieve RUN --gallery G` where pictures cannot be had."""

import pytest

from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.retrieval.gallery.pictures.outcomes import Fetched
from mindeye.retrieval.gallery.pictures.reader import PictureReader
from mindeye.verbs.retrieval.gallery_retrieval import RetrievalSettings, retrieve_from_gallery
from mindeye.verbs.retrieval.gallery_selection import selector_of

FEW = RetrievalSettings(k=4, candidates=20)


class WithoutSome(PictureReader):
    """Pictures of odd rows, or of all, cannot be had."""

    none = False
    answer = Fetched(None, "status 404")

    def read(self, rows):
        found = zip(rows, super().read(rows), strict=True)
        return [self.answer if self.none or row % 2 else one for row, one in found]


def test_pictures_that_cannot_be_had_are_passed_over_and_never_blank(
    material, planted_gallery, tmp_path, monkeypatch
):
    reader = WithoutSome(gallery=open_gallery(planted_gallery))
    found = retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "odd")
    for record in found.records:
        assert len(record["found"]) == 4
        assert all(one["row"] % 2 == 0 for one in record["found"])
    assert found.reasons.keys() == {"status 404"}
    monkeypatch.setattr(WithoutSome, "none", True)
    found = retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "none")
    assert found.without_picture == material.image_ids.tolist()
    assert not (tmp_path / "none" / "pictures").exists()


@pytest.mark.parametrize("passing", [True, False])
def test_what_could_not_be_had_is_asked_for_again_only_where_its_reason_may_pass(
    passing, material, planted_gallery, reader, tmp_path, contents, monkeypatch
):
    monkeypatch.setattr(WithoutSome, "answer", Fetched(None, "status 503", passing))
    without, selector = WithoutSome(gallery=reader.gallery), selector_of(material)
    retrieve_from_gallery(material, selector, without, FEW, tmp_path / "out")
    before = contents(tmp_path / "out")
    retrieve_from_gallery(material, selector, reader, FEW, tmp_path / "out")
    if passing:
        retrieve_from_gallery(material, selector, reader, FEW, tmp_path / "at-once")
        assert contents(tmp_path / "out") == contents(tmp_path / "at-once")
    else:
        assert contents(tmp_path / "out") == before


def test_a_picture_that_cannot_be_had_any_more_leaves_no_older_one(
    material, planted_gallery, reader, tmp_path, monkeypatch
):
    passing = Fetched(None, "status 503", True)
    monkeypatch.setattr(WithoutSome, "answer", passing)
    without, selector = WithoutSome(gallery=reader.gallery), selector_of(material)
    retrieve_from_gallery(material, selector, without, FEW, tmp_path / "out")
    assert len([*(tmp_path / "out" / "pictures").glob("*.png")]) == len(material.image_ids)
    monkeypatch.setattr(WithoutSome, "none", True)
    found = retrieve_from_gallery(material, selector, without, FEW, tmp_path / "out")
    assert found.without_picture == material.image_ids.tolist()
    assert not [*(tmp_path / "out").rglob("*.png")]


def test_a_search_that_fails_leaves_no_folder(material, reader, tmp_path, monkeypatch):
    def fails(queries, k):
        raise FileNotFoundError("the embeddings are gone")

    monkeypatch.setattr(material.index, "search", fails)
    with pytest.raises(FileNotFoundError, match="are gone"):
        retrieve_from_gallery(material, selector_of(material), reader, FEW, tmp_path / "out")
    assert not (tmp_path / "out").exists()

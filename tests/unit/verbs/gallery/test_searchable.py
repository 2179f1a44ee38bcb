"""Where pictures of results come from, and what is told of them."""

from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.verbs.gallery.searchable import Fetching, first_of, open_reader


def test_pictures_are_fetched_as_was_asked_for(gallery, tmp_path):
    opened = open_gallery(gallery)
    plain = open_reader(opened, Fetching()).downloader
    assert plain.cache == gallery / "downloads"
    assert not plain.limits.private_addresses
    given = open_reader(opened, Fetching(cache=tmp_path, private_addresses=True)).downloader
    assert given.cache == tmp_path
    assert given.limits.private_addresses
    assert open_reader(opened, Fetching(fetch=False)).downloader is None


def test_a_column_that_holds_nothing_is_passed_over():
    record = {"caption": None, "TEXT": "", "text": "told"}
    assert first_of(record, ("caption", "TEXT", "text")) == ""
    assert first_of(record, ("caption", "text")) == "told"
    assert first_of(record, ("caption", "absent")) is None

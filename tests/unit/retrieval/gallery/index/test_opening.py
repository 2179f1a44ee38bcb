"""Which index is opened, and which is refused."""

import dataclasses

import pytest

from mindeye.retrieval.gallery.exact import ExactIndex
from mindeye.retrieval.gallery.index.build import IndexRequest
from mindeye.retrieval.gallery.index.faiss_index import FaissIndex
from mindeye.retrieval.gallery.index.folder import check_files, open_index, require_current


def test_an_index_of_another_gallery_is_refused(gallery_of, build):
    gallery = gallery_of()
    build(gallery)
    other = dataclasses.replace(gallery.shards[1], sha256="another")
    changed = dataclasses.replace(gallery, shards=(gallery.shards[0], other, gallery.shards[2]))
    with pytest.raises(ValueError, match=r"another gallery: its shard s1"):
        open_index(changed)
    with pytest.raises(ValueError, match=r"another gallery: its shard s2"):
        open_index(dataclasses.replace(gallery, shards=gallery.shards[:2]))
    with pytest.raises(ValueError, match=r"vectors of simulated .* gallery of b"):
        open_index(dataclasses.replace(gallery, network="b"))


def test_files_that_were_cut_or_changed_are_noticed(gallery_of, build):
    gallery = gallery_of()
    build(gallery)
    path = require_current(gallery) / "lists.bin"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"lists.bin has changed"):
        check_files(path.parent)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"lists.bin has \d+ bytes, but was written with"):
        open_index(gallery)


@pytest.mark.parametrize("content", ["[]", "{}", None])
def test_an_index_that_does_not_say_what_it_is_is_refused(gallery_of, build, content):
    gallery = gallery_of()
    build(gallery)
    record = require_current(gallery) / "index.json"
    record.unlink()
    if content is not None:
        record.write_text(content)
    with pytest.raises(
        ValueError, match=r"index\.json is missing, or not what .* Delete the folder"
    ):
        open_index(gallery)


def test_what_does_not_name_an_index_is_refused(gallery_of, build):
    gallery = gallery_of()
    build(gallery)
    for content in ("[]", "{}"):
        (gallery.path / "index" / "current.json").write_text(content)
        with pytest.raises(
            ValueError, match=r"current\.json does not name the folder .* Delete the"
        ):
            open_index(gallery)


def test_an_open_index_is_searched_while_the_next_takes_its_place(
    gallery_of, clustered, build, chosen
):
    gallery = gallery_of()
    build(gallery)
    queries, old = clustered.queries(10), open_index(gallery)
    before = old.search(queries, 5)
    first = require_current(gallery)
    build(gallery, dataclasses.replace(chosen, lists=8, retrain=True))
    assert require_current(gallery) != first
    assert not first.exists()
    after = old.search(queries, 5)
    assert (before.rows == after.rows).all()
    again = require_current(gallery)
    build(gallery, dataclasses.replace(chosen, lists=8, retrain=True))
    assert require_current(gallery) != again
    assert isinstance(open_index(gallery), FaissIndex)


def test_without_an_index_search_is_exact(gallery_of, build):
    gallery = gallery_of()
    assert isinstance(open_index(gallery), ExactIndex)
    build(gallery)
    build(gallery, IndexRequest(kind="exact"))
    assert isinstance(open_index(gallery), ExactIndex)


def test_opening_an_unchanged_gallery_reads_no_kept_rows(gallery_of, monkeypatch, build):
    gallery = gallery_of(kept={1: range(0, 700, 2)})
    build(gallery)
    monkeypatch.setattr(type(gallery), "kept_rows", None)
    assert isinstance(open_index(gallery), FaissIndex)

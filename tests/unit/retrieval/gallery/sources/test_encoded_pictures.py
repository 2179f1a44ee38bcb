"""Samples of tars and folders, well-formed and odd."""

import io
import json
import tarfile

import pytest

from mindeye.retrieval.gallery.sources import encoded_pictures as module
from mindeye.retrieval.gallery.sources.encoded_pictures import encoded_pictures
from mindeye.retrieval.gallery.sources.sources import open_source


@pytest.fixture
def read(tmp_path):
    """Members of a tar -> its pictures."""

    def pictures(*members):
        with tarfile.open(tmp_path / "0.tar", "w") as tar:
            for name, content in members:
                info = tarfile.TarInfo(name)
                if isinstance(content, str):  # a link to another member
                    info.type, info.linkname = tarfile.SYMTYPE, content
                    tar.addfile(info)
                    continue
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        source = open_source(tmp_path / "0.tar")
        return list(encoded_pictures(source, source.shards[0]))

    return pictures


def test_capitals_do_not_matter_and_the_first_picture_of_a_sample_counts(read):
    found = read(("a.JPG", b"one"), ("a.png", b"two"), ("a.TXT", b" told \n"), ("b.jpeg", b"three"))
    assert [(one.key, one.content, one.told) for one in found] == [
        ("a", b"one", {"caption": "told"}),
        ("b", b"three", {}),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_caption_of_its_own_goes_before_one_in_json(read, order):
    told = json.dumps({"caption": "of json", "url": "http://a"}).encode()
    sidecars = [("a.txt", b"of txt"), ("a.json", told)][::order]
    (found,) = read(("a.png", b"one"), *sidecars)
    assert found.told == {"caption": "of txt", "url": "http://a"}


def test_links_are_no_pictures(read):
    found = read(("a.png", b"one"), ("b.png", "a.png"), ("c.png", b"three"))
    assert [(one.key, one.content) for one in found] == [("a", b"one"), ("c", b"three")]


@pytest.mark.parametrize("sidecar", [b"{", b"[1]", b'"a"', b"[" * 100_000, b"\xff"])
def test_a_sidecar_that_cannot_be_read_says_nothing(read, sidecar):
    (found,) = read(("a.png", b"one"), ("a.json", sidecar))
    assert (found.told, found.content) == ({}, b"one")


def test_a_member_too_large_for_a_picture_is_not_read(read, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    found = read(("a.png", b"123456"), ("a.txt", b"123456"), ("b.png", b"12345"))
    assert [(one.key, one.size, one.content, one.told) for one in found] == [
        ("a", 6, None, {}),
        ("b", 5, b"12345", {}),
    ]

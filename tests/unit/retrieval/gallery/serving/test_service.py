"""Answers against all cosines in NumPy."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.refusal import QueryError
from mindeye.retrieval.gallery.serving.service import different_pictures, told


def search(service, **fields):
    return service.search(json.dumps({"num_images": 5} | fields).encode())


def best_rows(gallery, vector, count):
    rows = np.concatenate([one.first + gallery.kept_rows(one) for one in gallery.shards])
    return rows[np.argsort(-(gallery.vectors(rows) @ vector), kind="stable")[:count]].tolist()


def test_a_text_finds_the_highest_cosines_with_their_captions(service, made_up):
    found = search(service, text="a dog")
    vector = made_up.embedding_of("a dog")
    assert [one["id"] for one in found] == best_rows(service.gallery, vector, 5)
    for one in found:
        assert one["caption"] == f"{made_up.caption} {one['id']}"
        cosine = service.gallery.vectors(np.array([one["id"]]))[0] @ vector
        assert one["similarity"] == pytest.approx(float(cosine), abs=1e-6)


def test_pictures_vectors_rows_and_brains_are_searched_for(service, made_up):
    image = base64.b64encode(made_up.png(7)).decode()
    for fields, vector in (
        ({"image": image}, made_up.embedding_of("7")),
        ({"embedding_input": [1.0] * made_up.width}, np.ones(made_up.width)),
        ({"row": 17}, service.gallery.vectors(np.array([17]))[0]),
        ({"brain_image": 307}, made_up.embedding_of("b")),
    ):
        found = [one["id"] for one in search(service, **fields)]
        assert found == best_rows(service.gallery, vector, 5)


def test_results_after_num_images_have_no_metadata_and_there_are_no_more_than_vectors(service):
    found = search(service, text="x", num_images=2, num_result_ids=900)
    assert len(found) == service.gallery.num_kept == 23
    assert ["caption" in one for one in found[:3]] == [True, True, False]
    assert set(found[2]) == {"id", "similarity"}


def test_of_near_duplicates_the_best_stays(service):
    assert [one["id"] for one in search(service, row=4)][:2] == [3, 4]
    without = [one["id"] for one in search(service, row=4, deduplicate=True)]
    assert without[0] == 3
    assert 4 not in without


def test_near_duplicates_are_found_through_a_third():
    angles = np.deg2rad([0, 90, 30, 15, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    # cos 15 = .966 > .94 > cos 30 = .866: 0 and 2 are alike through 3.
    assert different_pictures(vectors).tolist() == [0, 1, 4]
    assert different_pictures(vectors[:0]).tolist() == []


def test_what_an_index_fills_up_with_is_left_out(service):
    class Probing:
        about = "probes too little"

        def search(self, queries, k):
            from mindeye.retrieval.gallery.engine import Neighbours

            rows = np.array([[5, 2, -1, -1, -1]])
            return Neighbours(scores=np.array([[1, 0.5, -9, -9, -9]], np.float32), rows=rows)

    found = search(replace(service, index=Probing()), text="x")
    assert [one["id"] for one in found] == [5, 2]


def test_no_path_and_no_address_but_of_the_web_leaves():
    record = {"path": "/srv/a.png", "row": 1, "sha256": "0", "NSFW": "x", "caption": None}
    assert told({**record, "url": "javascript:alert(1)"}) == {}
    assert told({**record, "url": "file:///srv/a.png"}) == {}
    assert told({"URL": "HTTPS://a.org/b", "TEXT": "t", "similarity": 0.3}) == {
        "url": "HTTPS://a.org/b",
        "caption": "t",
    }


def test_what_filters_have_left_out_is_shown_in_no_way(service, made_up):
    row = made_up.dropped
    for ask in (
        lambda: search(service, row=row),
        lambda: service.thumbnail(row),
        lambda: service.metadata(json.dumps({"ids": [row]}).encode()),
    ):
        with pytest.raises(QueryError, match="no picture of this number"):
            ask()


def test_many_rows_are_judged_by_reading_what_is_kept_once_a_shard(service, monkeypatch):
    read, plain = [], type(service.gallery).kept_rows
    monkeypatch.setattr(
        type(service.gallery),
        "kept_rows",
        lambda gallery, shard: read.append(shard.name) or plain(gallery, shard),
    )
    found = service.metadata(json.dumps({"ids": [13, 2, 14, 2, 3]}).encode())
    assert [one["id"] for one in found] == [13, 2, 14, 2, 3]
    assert len(read) == len(set(read)) == 2


def test_metadata_of_rows_come_in_their_order(service, made_up):
    body = json.dumps({"ids": [13, 2, 13], "indice_name": "scenes"}).encode()
    found = service.metadata(body)
    assert [one["id"] for one in found] == [13, 2, 13]
    assert found[1]["metadata"]["caption"] == f"{made_up.caption} 2"
    assert service.metadata(b'{"ids": []}') == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": 3},
        {"ids": [-1]},
        {"ids": [24]},
        {"ids": [10**30]},
        {"ids": [1.0]},
        {"ids": ["../../etc/passwd"]},
        {"ids": [True]},
        {"ids": [1], "indice_name": "other"},
        {"ids": list(range(2000))},
    ],
)
def test_other_rows_than_those_of_the_gallery_are_refused(service, body):
    with pytest.raises(QueryError):
        service.metadata(json.dumps(body).encode())


def test_without_a_network_only_vectors_are_searched_for(service):
    service = replace(service, embedder=None, brain=None)
    assert len(search(service, row=3)) == 5
    assert service.about()["embeds"] is False
    for fields in ({"text": "x"}, {"brain_image": 300}):
        with pytest.raises(QueryError):
            search(service, **fields)


def test_the_key_of_a_picture_in_folders_does_not_tell_the_folders():
    assert told({"key": "patients/one/scan", "path": "patients/one/scan.png"}) == {"key": "scan"}
    assert told({"key": "000012", "caption": "a/b"}) == {"key": "000012", "caption": "a/b"}


def test_a_picture_of_the_gallery_is_shown_that_would_be_too_large_to_be_sent(service):
    strict = replace(service, limits=ServeLimits(max_pixels=10))
    assert strict.thumbnail(2) == service.thumbnail(2)
    about = {"sources": [{"settings": {"max_pixels": 10}}]}
    other = replace(service, gallery=replace(service.gallery, about=about))
    with pytest.raises(QueryError, match="more than 10"):
        other.thumbnail(2)


def test_a_picture_that_is_searched_for_is_bounded_by_what_strangers_may_send(service, made_up):
    strict = replace(service, limits=ServeLimits(max_pixels=799))  # it has 40 x 20
    with pytest.raises(QueryError, match="20 x 40 pixels, more than 799"):
        search(strict, image=base64.b64encode(made_up.png(7)).decode())


def test_pictures_of_every_form_that_galleries_are_built_of_are_shown(service):
    scan = io.BytesIO()
    Image.new("RGB", (20, 40)).save(scan, "TIFF")
    shown = replace(service, picture_bytes=lambda row: scan.getvalue()).thumbnail(2)
    assert Image.open(io.BytesIO(shown)).size == (20, 40)

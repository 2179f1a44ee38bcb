"""Rows of anything else, and files that were lost, cut or changed, are refused."""

import json
import os
import shutil

import pytest
import torch

from mindeye.files import sha256_of
from mindeye.targets import cached_rows as module
from mindeye.targets.cached_rows import cached_rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictures_sha256": "0"}, "pictures_sha256 is 0, not"),
        ({"image_ids_sha256": "0"}, "image_ids_sha256 is 0, not"),
        ({"shape": [3, 4]}, r"shape is \[3, 4\], not \[3, 3\]"),
        ({"network": "other"}, "network is other, not mean-abc"),
        ({"schema": 2}, "schema is 2, not 1"),
        ({"num_bytes": 5}, "bytes, but 5 were written"),
    ],
)
def test_rows_of_anything_else_are_refused(folder, pictures, network, change, message):
    (rows,) = cached_rows(folder, pictures, [network()])
    path = rows.place / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=rf"{message}.*Delete the folder {rows.place}"):
        cached_rows(folder, pictures, [network()])


@pytest.mark.parametrize("name", ["rows.npy", "manifest.json"])
def test_a_lost_file_is_named(folder, pictures, network, name):
    (rows,) = cached_rows(folder, pictures, [network()])
    (rows.place / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks {name}\. Delete the folder"):
        cached_rows(folder, pictures, [network()])


def test_a_cut_file_is_refused_when_it_is_opened_and_when_it_is_read(folder, pictures, network):
    (rows,) = cached_rows(folder, pictures, [network()])
    os.truncate(rows.place / "rows.npy", 10)
    with pytest.raises(ValueError, match="has 10 bytes, but 146 were written"):
        cached_rows(folder, pictures, [network()])
    # Reading a map beyond its file would end the process without a word.
    with pytest.raises(ValueError, match="has 10 bytes, but had 146 when it was opened"):
        rows.of(torch.tensor([7]))


def change_one_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_changed_byte_is_found_by_the_hash(folder, pictures, network):
    (rows,) = cached_rows(folder, pictures, [network()])
    rows.verify()
    change_one_byte(rows.place / "rows.npy")
    (again,) = cached_rows(folder, pictures, [network()])
    with pytest.raises(ValueError, match=r"has SHA-256 \w+, its manifest says .* embedded anew"):
        again.verify()


def test_a_file_is_read_for_its_hash_only_when_it_looks_touched(
    folder, pictures, network, monkeypatch
):
    (rows,) = cached_rows(folder, pictures, [network()])
    read = []
    monkeypatch.setattr(module, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    rows.verify()
    assert not read
    shutil.copytree(folder, folder.with_name("copy"))
    (copied,) = cached_rows(folder.with_name("copy"), pictures, [network()])
    copied.verify()
    copied.verify()
    assert read == [copied.place / "rows.npy"]


def test_a_copy_that_keeps_size_and_time_of_change_is_read_all_the_same(folder, pictures, network):
    (rows,) = cached_rows(folder, pictures, [network()])
    path = rows.place / "rows.npy"
    before = path.stat()
    change_one_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match="SHA-256"):
        rows.verify()


def test_other_pictures_than_were_written_are_not_embedded(folder, pictures, network):
    change_one_byte(pictures.path)
    with pytest.raises(ValueError, match=r"images\.npy has SHA-256 .* prepare the subject again"):
        cached_rows(folder, pictures, [network()])
    assert not list(folder.iterdir())

"""Rows on the disk: known by network, view, pictures and hash, and refused when they are others."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from mindeye.files import sha256_of
from mindeye.pictures import SavedPictures
from mindeye.targets import cached_rows as module
from mindeye.targets.cached_rows import cached_rows
from mindeye.targets.embedder import Embedder, View

IMAGE_IDS = np.array([7, 8, 100])


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)


@pytest.fixture
def pictures(images, tmp_path) -> SavedPictures:
    """The last three of four."""
    path = tmp_path / "images.npy"
    np.save(path, images)
    return SavedPictures(
        path=path, sha256=sha256_of(path), image_ids=IMAGE_IDS, rows=np.array([1, 2, 3])
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def network(view: View | None = None, identity: str = "mean-abc") -> Embedder:
    """The mean colour."""
    return Embedder(
        role="maps",
        identity=identity,
        row_shape=(3,),
        device=torch.device("cpu"),
        embed=lambda images: images.mean((2, 3)),
        view=view,
    )


def view(number: int, **settings) -> View:
    """Darker by the image id's last digit."""

    def darker(images, image_ids):
        return images - torch.from_numpy(image_ids % 10 / 10).float().view(-1, 1, 1, 1)

    return View(number=number, settings={"number": number, **settings}, change=darker)


def test_rows_of_some_pictures_are_those_pictures_own(folder, pictures, images):
    (rows,) = cached_rows(folder, pictures, [network()])
    expected = torch.from_numpy(images[[3, 1]].mean((1, 2)) / 255)
    found = rows.of(torch.tensor([100, 7]))
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


def test_a_view_is_of_its_image_id_and_lies_beside_the_plain_rows(folder, pictures):
    plain, seen = cached_rows(folder, pictures, [network(), network(view(0))])
    ids = torch.tensor([7, 8, 100])
    darker = plain.of(ids) - torch.tensor([[0.7], [0.8], [0.0]]).half()
    torch.testing.assert_close(seen.of(ids), darker, rtol=0, atol=1e-3)
    assert plain.place != seen.place


def test_more_views_leave_the_first_ones_as_they_are(folder, pictures):
    cached_rows(folder, pictures, [network(view(0)), network(view(1))])
    done = []
    cached_rows(
        folder, pictures, [network(view(n)) for n in range(3)], lambda *now: done.append(now)
    )
    assert done == [(3, 3)]


def test_other_settings_of_a_view_are_another_view(folder, pictures):
    for settings in ({}, {"seed": 1}, {"seed": 1, "augmentation": {"flip_chance": 0.5}}):
        cached_rows(folder, pictures, [network(view(0, **settings))])
    assert len(list(folder.iterdir())) == 3


def test_the_manifest_names_what_the_rows_are_of(folder, pictures):
    (rows,) = cached_rows(folder, pictures, [network(view(1, seed=5))])
    manifest = json.loads((rows.place / "manifest.json").read_text())
    assert manifest["network"] == "mean-abc"
    assert manifest["view"] == {"number": 1, "seed": 5}
    assert (manifest["shape"], manifest["dtype"]) == ([3, 3], "float16")
    assert manifest["sha256"] == sha256_of(rows.place / "rows.npy")
    assert manifest["num_bytes"] == (rows.place / "rows.npy").stat().st_size


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
def test_rows_of_anything_else_are_refused(folder, pictures, change, message):
    (rows,) = cached_rows(folder, pictures, [network()])
    path = rows.place / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=rf"{message}.*Delete the folder {rows.place}"):
        cached_rows(folder, pictures, [network()])


@pytest.mark.parametrize("name", ["rows.npy", "manifest.json"])
def test_a_lost_file_is_named(folder, pictures, name):
    (rows,) = cached_rows(folder, pictures, [network()])
    (rows.place / name).unlink()
    with pytest.raises(ValueError, match=rf"lacks {name}\. Delete the folder"):
        cached_rows(folder, pictures, [network()])


def test_a_cut_file_is_refused_when_it_is_opened_and_when_it_is_read(folder, pictures):
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


def test_a_changed_byte_is_found_by_the_hash(folder, pictures):
    (rows,) = cached_rows(folder, pictures, [network()])
    rows.verify()
    change_one_byte(rows.place / "rows.npy")
    (again,) = cached_rows(folder, pictures, [network()])
    with pytest.raises(ValueError, match=r"has SHA-256 \w+, its manifest says .* embedded anew"):
        again.verify()


def test_a_file_is_read_for_its_hash_only_when_it_looks_touched(folder, pictures, monkeypatch):
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


def test_a_copy_that_keeps_size_and_time_of_change_is_read_all_the_same(folder, pictures):
    (rows,) = cached_rows(folder, pictures, [network()])
    path = rows.place / "rows.npy"
    before = path.stat()
    change_one_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match="SHA-256"):
        rows.verify()


def test_rows_are_on_the_disk_before_their_stamp_vouches_for_them(folder, pictures, monkeypatch):
    """A power cut would leave zeros behind, of the right size and time."""
    flushed, vouched = [], []
    plain_sync, plain_stamp = os.fsync, module._stamp

    def sync(descriptor):
        flushed.append(os.fstat(descriptor).st_size)
        plain_sync(descriptor)

    def stamp(path):
        vouched.append((path.stat().st_size, list(flushed)))
        return plain_stamp(path)

    monkeypatch.setattr(module.os, "fsync", sync)
    monkeypatch.setattr(module, "_stamp", stamp)
    cached_rows(folder, pictures, [network()])
    ((size, before),) = vouched
    assert size in before


def test_other_pictures_than_were_written_are_not_embedded(folder, pictures):
    change_one_byte(pictures.path)
    with pytest.raises(ValueError, match=r"images\.npy has SHA-256 .* prepare the subject again"):
        cached_rows(folder, pictures, [network()])
    assert not list(folder.iterdir())


def test_a_row_beyond_float16_is_refused_with_its_image(folder, pictures):
    def wild(images):
        return torch.where(torch.arange(3).view(-1, 1) == 1, 1e6, 0.0).expand(3, 3)

    one = Embedder(
        role="maps", identity="wild", row_shape=(3,), device=torch.device("cpu"), embed=wild
    )
    with pytest.raises(FloatingPointError, match="maps-wild of image 8 is not finite in float16"):
        cached_rows(folder, pictures, [one])
    assert not list(folder.iterdir())


def test_without_room_for_all_that_is_absent_nothing_is_embedded(folder, pictures, monkeypatch):
    asked = []

    def full(folder, num_bytes, what):
        asked.append(num_bytes)
        raise OSError("full")

    cached_rows(folder, pictures, [network()])
    monkeypatch.setattr(module, "require_free_space", full)
    with pytest.raises(OSError, match="full"):
        cached_rows(folder, pictures, [network(), network(view(0)), network(view(1))])
    # Two views of three images of three numbers in float16.
    assert asked == [2 * 3 * 3 * 2]


def test_a_cache_that_is_whole_is_opened_where_nothing_may_be_written(
    folder, pictures, monkeypatch
):
    cached_rows(folder, pictures, [network()])

    def closed(folder):
        raise PermissionError(folder)

    monkeypatch.setattr(module, "one_at_a_time", closed)
    cached_rows(folder, pictures, [network()])


def test_where_the_disk_cannot_lock_the_second_writer_takes_what_the_first_wrote(
    folder, pictures, monkeypatch
):
    def embed(images):
        if not (folder / "maps-mean-abc").exists():
            # The other process is through between our look and our write.
            shutil.copytree(folder.with_name("other") / "maps-mean-abc", folder / "maps-mean-abc")
        return images.mean((2, 3))

    (first,) = cached_rows(folder.with_name("other"), pictures, [network()])
    slow = Embedder(
        role="maps",
        identity="mean-abc",
        row_shape=(3,),
        device=torch.device("cpu"),
        embed=embed,
    )
    (rows,) = cached_rows(folder, pictures, [slow])
    np.testing.assert_array_equal(rows.array, first.array)
    assert len(list(folder.iterdir())) == 1


EMBED = """
import sys
import time
from pathlib import Path
import numpy as np
import torch
from mindeye.files import sha256_of
from mindeye.pictures import SavedPictures
from mindeye.targets.cached_rows import cached_rows
from mindeye.targets.embedder import Embedder
folder, images = map(Path, sys.argv[1:])
ids = np.arange(len(np.load(images, mmap_mode="r")))
pictures = SavedPictures(path=images, sha256=sha256_of(images), image_ids=ids, rows=ids)

def embed(images):
    time.sleep(0.2)
    return images.flatten(1)

network = Embedder(
    role="maps", identity="slow", row_shape=(12,), device=torch.device("cpu"), embed=embed
)
try:
    cached_rows(folder, pictures, [network], lambda *done: print(*done, flush=True))
except OSError as error:
    print(error)
"""


@pytest.fixture
def embed(tmp_path, folder):
    """The command that embeds 200 pictures into the cache in a process of its own."""
    path = tmp_path / "many.npy"
    np.save(path, np.random.default_rng(1).integers(0, 256, (200, 2, 2, 3), dtype=np.uint8))
    return [sys.executable, "-c", EMBED, str(folder), str(path)]


def files_of(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(embed, folder):
    def few_bytes():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    done = subprocess.run(embed, preexec_fn=few_bytes, capture_output=True, text=True)
    assert "maps-slow could not be written (File too large)" in done.stdout, done.stderr
    assert not files_of(folder)


def test_processes_that_embed_at_once_do_the_work_once(embed, folder):
    running = [subprocess.Popen(embed, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [one.communicate()[0].split("\n")[:-1] for one in running]
    # One tells its progress, the others wait and open what it wrote.
    assert sorted(said) == [[], [], ["100 200", "200 200"]]
    assert len(list(folder.iterdir())) == 1


def test_a_kill_in_the_middle_leaves_no_rows_and_no_lock(embed, folder):
    cut = subprocess.Popen(embed, stdout=subprocess.PIPE, text=True)
    assert cut.stdout.readline() == "100 200\n"
    cut.kill()
    cut.wait()
    assert not (folder / "maps-slow").exists()
    said = subprocess.run(embed, capture_output=True, text=True).stdout
    assert said == "100 200\n200 200\n"
    assert [path.name for path in folder.iterdir()] == ["maps-slow"]

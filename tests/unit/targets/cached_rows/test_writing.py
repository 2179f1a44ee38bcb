"""Rows are written whole, once, and only of what fits: one row a picture, network and view."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from mindeye.files import sha256_of
from mindeye.targets import cached_rows as module
from mindeye.targets.cached_rows import cached_rows
from mindeye.targets.embedder import Embedder


def test_rows_of_some_pictures_are_those_pictures_own(folder, pictures, network, images):
    (rows,) = cached_rows(folder, pictures, [network()])
    expected = torch.from_numpy(images[[3, 1]].mean((1, 2)) / 255)
    found = rows.of(torch.tensor([100, 7]))
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


def test_a_view_is_of_its_image_id_and_lies_beside_the_plain_rows(folder, pictures, network, view):
    plain, seen = cached_rows(folder, pictures, [network(), network(view(0))])
    ids = torch.tensor([7, 8, 100])
    darker = plain.of(ids) - torch.tensor([[0.7], [0.8], [0.0]]).half()
    torch.testing.assert_close(seen.of(ids), darker, rtol=0, atol=1e-3)
    assert plain.place != seen.place


def test_more_views_leave_the_first_ones_as_they_are(folder, pictures, network, view):
    cached_rows(folder, pictures, [network(view(0)), network(view(1))])
    done = []
    cached_rows(
        folder, pictures, [network(view(n)) for n in range(3)], lambda *now: done.append(now)
    )
    assert done == [(3, 3)]


def test_other_settings_of_a_view_are_another_view(folder, pictures, network, view):
    for settings in ({}, {"seed": 1}, {"seed": 1, "augmentation": {"flip_chance": 0.5}}):
        cached_rows(folder, pictures, [network(view(0, **settings))])
    assert len(list(folder.iterdir())) == 3


def test_the_manifest_names_what_the_rows_are_of(folder, pictures, network, view):
    (rows,) = cached_rows(folder, pictures, [network(view(1, seed=5))])
    manifest = json.loads((rows.place / "manifest.json").read_text())
    assert manifest["network"] == "mean-abc"
    assert manifest["view"] == {"number": 1, "seed": 5}
    assert (manifest["shape"], manifest["dtype"]) == ([3, 3], "float16")
    assert manifest["sha256"] == sha256_of(rows.place / "rows.npy")
    assert manifest["num_bytes"] == (rows.place / "rows.npy").stat().st_size


def test_rows_are_on_the_disk_before_their_stamp_vouches_for_them(
    folder, pictures, network, monkeypatch
):
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


def test_a_row_beyond_float16_is_refused_with_its_image(folder, pictures):
    def wild(images):
        return torch.where(torch.arange(3).view(-1, 1) == 1, 1e6, 0.0).expand(3, 3)

    one = Embedder(
        role="maps", identity="wild", row_shape=(3,), device=torch.device("cpu"), embed=wild
    )
    with pytest.raises(FloatingPointError, match="maps-wild of image 8 is not finite in float16"):
        cached_rows(folder, pictures, [one])
    assert not list(folder.iterdir())


def test_without_room_for_all_that_is_absent_nothing_is_embedded(
    folder, pictures, network, view, monkeypatch
):
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
    folder, pictures, network, monkeypatch
):
    cached_rows(folder, pictures, [network()])

    def closed(folder):
        raise PermissionError(folder)

    monkeypatch.setattr(module, "one_at_a_time", closed)
    cached_rows(folder, pictures, [network()])


def test_where_the_disk_cannot_lock_the_second_writer_takes_what_the_first_wrote(
    folder, pictures, network, monkeypatch
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

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.files import sha256_of
from mindeye.pictures import SavedPictures, as_images
from mindeye.targets import cached_rows
from mindeye.targets.cache import target_table
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae

IMAGE_IDS = np.array([3, 10, 11, 500, 72_999])


@pytest.fixture(scope="module")
def frozen(networks):
    return load_clip(networks.clip), load_vae(networks.vae)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def pictures(images, tmp_path) -> SavedPictures:
    path = tmp_path / "pictures" / "images.npy"
    path.parent.mkdir()
    np.save(path, images)
    return SavedPictures(
        path=path, sha256=sha256_of(path), image_ids=IMAGE_IDS, rows=np.arange(len(IMAGE_IDS))
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def files_of(folder) -> list:
    return [path for path in folder.rglob("*") if path.is_file()]


def never(done, total):
    raise AssertionError("embedded again")


def test_rows_are_the_networks_outputs_of_each_image(frozen, images, pictures, folder):
    table = target_table(folder, pictures, *frozen)
    clip, vae = frozen
    rows = [3, 0, 4]
    ids = torch.from_numpy(IMAGE_IDS[rows])
    expected = clip.tokens(as_images(images[rows]))
    torch.testing.assert_close(table.tokens(ids), expected, rtol=2e-3, atol=1e-3)
    expected = vae.latents(as_images(images[rows]))
    torch.testing.assert_close(table.latents(ids), expected, rtol=2e-3, atol=1e-3)
    assert table.tokens(ids).dtype == table.latents(ids).dtype == torch.float32


def test_blocks_do_not_change_the_table(frozen, pictures, folder, monkeypatch):
    whole = target_table(folder / "whole", pictures, *frozen)
    monkeypatch.setattr(cached_rows, "EMBED_BATCH", 2)
    done = []
    blocks = target_table(folder / "blocks", pictures, *frozen, lambda *now: done.append(now))
    np.testing.assert_allclose(whole.tokens_array, blocks.tokens_array, atol=1e-3)
    assert done == [(2, 10), (4, 10), (5, 10), (7, 10), (9, 10), (10, 10)]


def test_embedding_happens_once(frozen, pictures, folder):
    first = target_table(folder, pictures, *frozen)

    again = target_table(folder, pictures, *frozen, never)
    np.testing.assert_array_equal(first.tokens_array, again.tokens_array)


def test_an_interrupted_embedding_leaves_no_cache(frozen, pictures, folder):
    def cut(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        target_table(folder, pictures, *frozen, cut)
    assert not files_of(folder)
    target_table(folder, pictures, *frozen)


def test_another_network_makes_rows_of_its_own_and_leaves_those_of_the_others(
    frozen, pictures, folder
):
    clip, vae = frozen
    target_table(folder, pictures, clip, vae)
    before = {path: path.stat().st_mtime_ns for path in files_of(folder)}
    done = []
    target_table(
        folder, pictures, clip, replace(vae, identity="other"), lambda *now: done.append(now)
    )
    assert done == [(5, 5)]
    assert len(list(folder.iterdir())) == 3
    target_table(folder, pictures, replace(clip, identity="other"), vae)
    assert len(list(folder.iterdir())) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_image_without_row_is_named(frozen, pictures, folder):
    table = target_table(folder, pictures, *frozen)
    for absent in (4, 73_000, 0):
        with pytest.raises(LookupError, match=f"1 images have no cached .* first id {absent}"):
            table.tokens(torch.tensor([10, absent]))


def test_a_disk_without_room_is_refused_before_the_first_image(
    frozen, pictures, folder, monkeypatch
):
    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"tokens-\S+ could not be written .*Is the disk full\?"):
        target_table(folder, pictures, *frozen, never)
    assert not files_of(folder)


def test_a_disk_that_cannot_reserve_is_written_all_the_same(frozen, pictures, folder, monkeypatch):
    def unsupported(descriptor, offset, length):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    whole = target_table(folder / "whole", pictures, *frozen)
    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    again = target_table(folder / "again", pictures, *frozen)
    np.testing.assert_array_equal(whole.tokens_array, again.tokens_array)
    np.testing.assert_array_equal(whole.latents_array, again.latents_array)


def test_a_cache_of_an_earlier_version_is_neither_read_nor_touched(frozen, pictures, folder):
    clip, vae = frozen
    old = folder / f"{clip.identity}+{vae.identity}"
    old.mkdir(parents=True)
    for name in ("tokens.npy", "latents.npy"):
        np.save(old / name, np.zeros((5, 1), np.float16))
    (old / "manifest.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in files_of(old)}
    table = target_table(folder, pictures, *frozen)
    assert table.tokens_array.any()
    assert {path: path.stat().st_mtime_ns for path in files_of(old)} == before

import errno
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.pictures import as_images
from mindeye.targets import cache
from mindeye.targets.cache import target_table
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae

IMAGE_IDS = np.array([3, 10, 11, 500, 72_999])


@pytest.fixture(scope="module")
def frozen(networks):
    return load_clip(networks.clip), load_vae(networks.vae)


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_rows_are_the_networks_outputs_of_each_image(frozen, pictures, tmp_path):
    table = target_table(tmp_path, pictures, IMAGE_IDS, *frozen)
    clip, vae = frozen
    rows = [3, 0, 4]
    ids = torch.from_numpy(IMAGE_IDS[rows])
    expected = clip.tokens(as_images(pictures[rows]))
    torch.testing.assert_close(table.tokens(ids), expected, rtol=2e-3, atol=1e-3)
    expected = vae.latents(as_images(pictures[rows]))
    torch.testing.assert_close(table.latents(ids), expected, rtol=2e-3, atol=1e-3)
    assert table.tokens(ids).dtype == table.latents(ids).dtype == torch.float32


def test_blocks_do_not_change_the_table(frozen, pictures, tmp_path, monkeypatch):
    whole = target_table(tmp_path / "whole", pictures, IMAGE_IDS, *frozen)
    monkeypatch.setattr(cache, "EMBED_BATCH", 2)
    done = []
    blocks = target_table(
        tmp_path / "blocks", pictures, IMAGE_IDS, *frozen, lambda *now: done.append(now)
    )
    np.testing.assert_allclose(whole.tokens_array, blocks.tokens_array, atol=1e-3)
    assert done == [(2, 5), (4, 5), (5, 5)]


def test_embedding_happens_once(frozen, pictures, tmp_path):
    first = target_table(tmp_path, pictures, IMAGE_IDS, *frozen)

    def never(done, total):
        raise AssertionError("embedded again")

    again = target_table(tmp_path, pictures, IMAGE_IDS, *frozen, never)
    np.testing.assert_array_equal(first.tokens_array, again.tokens_array)


def test_an_interrupted_embedding_leaves_no_cache(frozen, pictures, tmp_path):
    def cut(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        target_table(tmp_path, pictures, IMAGE_IDS, *frozen, cut)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    target_table(tmp_path, pictures, IMAGE_IDS, *frozen)


def test_another_network_makes_another_cache_beside(frozen, pictures, tmp_path):
    clip, vae = frozen
    target_table(tmp_path, pictures, IMAGE_IDS, clip, vae)
    target_table(tmp_path, pictures, IMAGE_IDS, replace(clip, identity="other"), vae)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_image_without_row_is_named(frozen, pictures, tmp_path):
    table = target_table(tmp_path, pictures, IMAGE_IDS, *frozen)
    for absent in (4, 73_000, 0):
        with pytest.raises(LookupError, match=f"1 images have no cached .* first id {absent}"):
            table.tokens(torch.tensor([10, absent]))


def test_a_disk_without_room_is_refused_before_the_first_image(
    frozen, pictures, tmp_path, monkeypatch
):
    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def never(done, total):
        raise AssertionError("embedded without room for the result")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"tokens\.npy could not be written .*Is the disk full\?"):
        target_table(tmp_path, pictures, IMAGE_IDS, *frozen, never)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_disk_that_cannot_reserve_is_written_all_the_same(
    frozen, pictures, tmp_path, monkeypatch
):
    def unsupported(descriptor, offset, length):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    whole = target_table(tmp_path / "whole", pictures, IMAGE_IDS, *frozen)
    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    again = target_table(tmp_path / "again", pictures, IMAGE_IDS, *frozen)
    np.testing.assert_array_equal(whole.tokens_array, again.tokens_array)
    np.testing.assert_array_equal(whole.latents_array, again.latents_array)


EMBED = """
import sys
from pathlib import Path
import numpy as np
from mindeye.targets.cache import target_table
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
folder, clip, vae = map(Path, sys.argv[1:])
pictures = np.zeros((200, 32, 32, 3), np.uint8)
try:
    target_table(folder, pictures, np.arange(200), load_clip(clip), load_vae(vae))
except OSError as error:
    print(error)
"""


def test_a_full_disk_ends_in_a_sentence_and_leaves_nothing(networks, tmp_path):
    def few_bytes():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-c", EMBED, str(tmp_path), str(networks.clip), str(networks.vae)],
        preexec_fn=few_bytes,
        capture_output=True,
        text=True,
    )
    assert "tokens.npy could not be written (File too large)" in done.stdout, done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

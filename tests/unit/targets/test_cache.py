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

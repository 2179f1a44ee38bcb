"""All tokens of pictures against plain products."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindeye.retrieval.gallery import blocks
from mindeye.retrieval.gallery.blocks import TokenSearch, token_blocks
from mindeye.retrieval.gallery.folder import write_gallery

TOKENS = 3


@pytest.fixture
def gallery(gallery_of):
    """Two shards with tokens of any length; some rows of the first cannot be found."""
    plain, rng = gallery_of(counts=(9, 11), kept={0: (0, 2, 3, 8)}), np.random.default_rng(4)
    (plain.path / "tokens").mkdir()
    shards = []
    for shard in plain.shards:
        place = Path("tokens") / f"{shard.name}.npy"
        tokens = 5 * rng.standard_normal((shard.count, TOKENS, plain.width))
        np.save(plain.path / place, tokens.astype(np.float16))
        shards.append(replace(shard, tokens=place))
    given = {"network": plain.network, "width": plain.width, "about": plain.about}
    return write_gallery(plain.path, shards=shards, **given)


@pytest.mark.parametrize("at_once", [2, 1_000])
def test_all_tokens_are_compared_as_one_unit_vector(gallery, monkeypatch, at_once):
    monkeypatch.setattr(blocks, "BLOCK_NUMBERS", at_once * TOKENS * gallery.width)
    rows = np.array([0, 2, 3, 8, *range(9, 20)])
    tokens = np.concatenate([np.array(gallery.tokens(one)) for one in gallery.shards])[rows]
    flat = tokens.reshape(len(rows), -1).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    queries = np.random.default_rng(5).standard_normal((4, flat.shape[1])).astype(np.float32)
    order = np.argsort(-(queries @ flat.T), axis=1)[:, :6]
    found = TokenSearch(gallery).search(queries, 6)
    assert (found.rows == rows[order]).all()
    expected = np.take_along_axis(queries @ flat.T, order, 1)
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)


def test_what_has_no_tokens_or_others_is_refused(gallery):
    with pytest.raises(ValueError, match=r"have 33 numbers each, all tokens .* 96"):
        TokenSearch(gallery).search(np.zeros((1, 33), np.float32), 1)
    bare = replace(gallery, shards=(gallery.shards[0], replace(gallery.shards[1], tokens=None)))
    with pytest.raises(ValueError, match="holds no tokens of its shard s1, only embeddings"):
        list(token_blocks(bare))

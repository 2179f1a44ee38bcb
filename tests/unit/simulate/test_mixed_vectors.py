"""Made-up embeddings between those of pictures."""

import numpy as np
import pytest

from mindeye.simulate.clustered_vectors import BLOCK, ClusteredVectors
from mindeye.simulate.mixed_vectors import SHARES, MixedVectors

PICTURES = ClusteredVectors(width=16, num_clusters=5).queries(40)
NAMES = [f"scene {number}" for number in range(40)]


def mixtures(seed: int = 0) -> MixedVectors:
    return MixedVectors(embeddings=PICTURES, names=NAMES, checksum="c", seed=seed)


def test_every_vector_is_the_mixture_that_its_caption_tells():
    vectors = mixtures().shard(3, 50).astype(np.float64)
    pairs, shares = mixtures().mixed(3, 50)
    captions = mixtures().captions(3, 1_000, 50)
    for vector, (one, two), share, caption in zip(vectors, pairs, shares, captions, strict=True):
        assert one != two
        plain = (1 - share) * PICTURES[one] + share * PICTURES[two]
        np.testing.assert_allclose(vector, plain / np.linalg.norm(plain), atol=1e-3)
        assert (
            caption == f"SIMULATED mixture: {1 - share:.0%} scene {one} + {share:.0%} scene {two}"
        )
    assert SHARES[0] <= shares.min() < 0.1
    assert 0.4 < shares.max() <= SHARES[1]


def test_the_first_picture_is_the_nearest_of_the_two_and_none_is_copied():
    vectors, (pairs, _) = mixtures().shard(0, 500).astype(np.float32), mixtures().mixed(0, 500)
    cosines = np.einsum("vw,vpw->vp", vectors, PICTURES[pairs])
    assert (cosines[:, 0] >= cosines[:, 1] - 1e-3).all()
    assert (vectors @ PICTURES.T).max() < 0.9999


def test_a_shard_is_the_same_alone_and_unlike_every_other_one_or_seed():
    longer = mixtures().shard(1, BLOCK + 7)
    assert np.abs(np.linalg.norm(longer.astype(np.float64), axis=1) - 1).max() < 1e-3
    assert (longer == mixtures().shard(1, BLOCK + 7)).all()
    for other in (mixtures().shard(2, 100), mixtures(seed=1).shard(1, 100)):
        assert not (other == longer[:100]).all(axis=1).any()
    assert mixtures().identity != mixtures(seed=1).identity


def test_a_single_picture_cannot_be_mixed():
    with pytest.raises(ValueError, match="1 embeddings cannot be mixed"):
        MixedVectors(embeddings=PICTURES[:1], names=NAMES[:1], checksum="c")

"""Ranks of planted pictures against plain loops, drawn subsets and the pools of test images."""

import numpy as np
import pytest
from scipy.stats import genpareto, norm, poisson

from mindeye.retrieval.gallery.blocks import Block
from mindeye.retrieval.gallery.planted.planted import (
    DUPLICATES,
    LEFT_OUT,
    SAME,
    expected_rank,
    planted_accuracy,
    planted_ranks,
)
from mindeye.retrieval.gallery.planted.tail import (
    predicted_accuracy,
    rival_shares,
    survival_beyond,
    thinned,
)
from mindeye.retrieval.pools import pool_accuracy

RNG = np.random.default_rng(0)
ABOVE = 0.9


def unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def blocks_of(vectors, size=37):
    def read():
        for start in range(0, len(vectors), size):
            rows = np.arange(start, min(start + size, len(vectors)))
            yield Block(rows + 1000, vectors[rows], vectors[rows])

    return read


@pytest.fixture
def material():
    """12 brains and truths, and 300 vectors: three copies, near duplicates, distractors."""
    truths = unit(RNG.normal(size=(12, 16)))
    brain = unit(truths + 0.25 * RNG.normal(size=(12, 16)))
    vectors = unit(RNG.normal(size=(300, 16)))
    vectors[50], vectors[51], vectors[200] = truths[0], truths[0], truths[3]
    for place in range(60, 90):
        vectors[place] = unit(truths[place % 5] + 0.08 * RNG.normal(size=16))
    return brain, truths, vectors


def test_ranks_are_those_of_a_plain_loop(material):
    brain, truths, vectors = material
    found = planted_ranks(blocks_of(vectors), brain, truths, truths, duplicate_above=ABOVE, tail=20)
    assert found.num_vectors == 300
    for image in range(12):
        alike, scores = vectors @ truths[image], vectors @ brain[image]
        own = brain[image] @ truths[image]
        same, near = alike >= SAME, (alike > ABOVE) & (alike < SAME)
        far = ~same & ~near
        assert found.copies[image] == same.sum()
        assert found.duplicates[image] == near.sum()
        assert found.rivals[image] == (scores[~same] >= own - 1e-6).sum()
        assert found.rival_duplicates[image] == (scores[near] >= own - 1e-6).sum()
        best = max([own, *scores[near]])
        assert found.rivals_of_best[image] == (scores[far] >= best - 1e-6).sum()
        np.testing.assert_allclose(found.tail[image], np.sort(scores[far])[::-1][:20], atol=1e-6)
        others = {"as rivals": 300 - same.sum(), "left out": far.sum(), "as hits": far.sum()}
        assert {how: found.counted(how)[1][image] for how in DUPLICATES} == others
    assert found.duplicates[:5].min() > 0
    assert found.own_rows[[0, 3]].tolist() == [1050, 1200]
    assert (np.delete(found.own_rows, [0, 3]) == -1).all()
    whole = planted_ranks(
        blocks_of(vectors, 300), brain, truths, truths, duplicate_above=ABOVE, tail=20
    )
    assert (whole.rivals == found.rivals).all()


def test_near_duplicates_as_hits_never_score_below_leaving_them_out(material):
    brain, truths, vectors = material
    found = planted_ranks(blocks_of(vectors), brain, truths, truths, duplicate_above=ABOVE)
    rivals, left_out, hits = (found.counted(how)[0] for how in DUPLICATES)
    assert (hits <= left_out).all()
    assert (left_out <= rivals).all()
    assert rivals.sum() > left_out.sum()
    with pytest.raises(LookupError, match="Choose one of as rivals, left out, as hits"):
        found.counted("somehow")


def test_accuracy_in_drawn_subsets_is_their_mean_and_that_of_pools():
    rivals, others = np.array([0, 1, 5, 40]), np.array([60, 60, 60, 60])
    for drawn, top in ((10, 1), (10, 5), (59, 5), (60, 1), (3, 5)):
        exact = planted_accuracy(rivals, others, drawn, top)
        beaten = RNG.hypergeometric(rivals, others - rivals, drawn, size=(20_000, 4))
        np.testing.assert_allclose(exact, (beaten < top).mean(0), atol=0.015)
        # The same by the pools of test images, whose others are all images but one.
        padded = np.concatenate([rivals, np.zeros(57, int)])
        np.testing.assert_allclose(exact, pool_accuracy(padded, drawn + 1, top)[:4], atol=1e-9)
    assert planted_accuracy(rivals, others, None, 5).tolist() == [1, 1, 0, 0]
    many = np.full(4, 100_000)
    assert planted_accuracy(rivals, many, 100_000, 5).tolist() == [1, 1, 0, 0]
    assert planted_accuracy(rivals, many, 1000, 100).tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(expected_rank(rivals, others, 30), [1, 1.5, 3.5, 21])
    np.testing.assert_allclose(expected_rank(rivals, others, None), [1, 2, 6, 41])
    with pytest.raises(ValueError, match="61 distractors cannot be drawn from 60"):
        planted_accuracy(rivals, others, 61, 1)
    billions = planted_accuracy(np.array([585]), np.array([5_850_000_000]), 10_000_000, 1)
    np.testing.assert_allclose(billions, np.exp(-1), rtol=2e-3)


def test_the_tail_gives_back_the_distribution_that_it_was_drawn_from():
    for shape in (-0.3, 0.0, 0.15):
        tail = genpareto.rvs(shape, scale=0.1, size=(200, 2000), random_state=1) + 0.5
        tail[:, 0] = 0.5
        scores = np.full(200, 0.5 + genpareto.isf(0.001, shape, scale=0.1))
        np.testing.assert_allclose(np.median(survival_beyond(tail, scores)), 0.001, rtol=0.15)
    beyond_all = np.full(200, 9.0)
    assert (survival_beyond(np.sort(RNG.uniform(size=(200, 500)), 1), beyond_all) == 0).all()
    with pytest.raises(ValueError, match="9 similarities tell no tail"):
        survival_beyond(np.zeros((2, 10)), np.zeros(2))


def test_a_tenth_of_the_distractors_predicts_all_of_them():
    distractors = RNG.normal(size=(150, 50_000)).astype(np.float32)
    scores = RNG.normal(3.5, 0.8, size=150)
    part = thinned(-np.sort(-distractors, 1)[:, :1000], 0.1, RNG, 60)
    assert part.shape == (150, 60)
    seen = (distractors[:, :5000] >= scores[:, None]).sum(1)
    shares = rival_shares(seen, np.full(150, 5000), part, scores)
    for top in (1, 10):
        true = poisson.cdf(top - 1, 50_000 * norm.sf(scores)).mean()
        assert abs(predicted_accuracy(shares, 50_000, top).mean() - true) < 0.06
    counted_alone = predicted_accuracy(seen / 5000, 50_000, 1).mean()
    assert counted_alone > poisson.cdf(0, 50_000 * norm.sf(scores)).mean() + 0.15
    with pytest.raises(ValueError, match="too short to be thinned to 300"):
        thinned(part, 0.1, RNG, 300)


def test_a_threshold_or_gallery_that_leaves_no_distractor_is_refused(material):
    brain, truths, vectors = material
    with pytest.raises(ValueError, match="Choose a threshold below"):
        planted_ranks(blocks_of(vectors), brain, truths, truths, duplicate_above=1.0)
    with pytest.raises(ValueError, match="no distractor"):
        planted_ranks(
            blocks_of(truths[:1]), brain[:1], truths[:1], truths[:1], duplicate_above=ABOVE
        )


def test_a_tail_longer_than_the_gallery_is_all_distractors_highest_first(material):
    brain, truths, vectors = material
    found = planted_ranks(
        blocks_of(vectors), brain, truths, truths, duplicate_above=ABOVE, tail=1000
    )
    length = found.tail.shape[1]
    for image in range(12):
        far = vectors @ truths[image] <= ABOVE
        expected = np.sort((vectors @ brain[image])[far])[::-1]
        np.testing.assert_allclose(found.tail[image], expected[:length], atol=1e-6)


def test_vectors_that_are_exactly_as_similar_are_rivals():
    """In the plane: the picture at 0 degrees, brains between it and a vector at 60 and 40."""

    def at(*degrees):
        angles = np.deg2rad(degrees)
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)

    truths, brain = at(0, 0), at(30, 20)
    vectors = at(60, 40, 10, 180)
    # The one at 10 is a near duplicate, and nearer to both brains than the picture.
    found = planted_ranks(
        blocks_of(vectors), brain, truths, truths, duplicate_above=float(np.cos(np.deg2rad(20)))
    )
    assert found.rivals.tolist() == [3, 2]
    assert found.rival_duplicates.tolist() == [1, 1]
    assert found.counted(LEFT_OUT)[0].tolist() == [2, 1]
    assert found.rivals_of_best.tolist() == [1, 0]
    # Of the first brain at 35 the best is at 10, and the vector at 60 stands as far away.
    tied = planted_ranks(blocks_of(vectors), at(35), truths[:1], truths[:1], duplicate_above=0.94)
    assert tied.rivals_of_best.tolist() == [2]


def test_lengths_that_float16_has_left_do_not_make_a_copy_another_picture(material):
    brain, truths, vectors = material
    shorter = (vectors * 0.999).astype(np.float32)
    found = planted_ranks(blocks_of(shorter), brain, truths, truths, duplicate_above=ABOVE)
    assert found.own_rows[[0, 3]].tolist() == [1050, 1200]
    assert found.copies[[0, 3]].tolist() == [2, 1]


def test_pictures_below_their_tail_are_counted_and_those_above_it_fitted():
    tail = -np.sort(-RNG.exponential(size=(2, 101)).astype(np.float32), axis=1)
    rivals, others = np.array([700, 40]), np.array([1000, 1000])
    scores = np.array([tail[0].min() - 0.1, np.median(tail[1])])
    shares = rival_shares(rivals, others, tail, scores)
    assert shares[0] == 0.7
    # Half of the hundred that lie above the lowest of the tail, of a thousand.
    assert shares[1] == pytest.approx(0.05, rel=0.15)


def test_a_tail_of_equal_similarities_is_refused():
    with pytest.raises(ValueError, match="equal: they tell no tail"):
        survival_beyond(np.ones((2, 100)), np.ones(2))

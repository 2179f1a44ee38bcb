from functools import partial

import numpy as np
import pytest
import torch

from mindeye.metrics.statistics import bootstrap_interval, proportion_interval
from mindeye.retrieval import similarity
from mindeye.retrieval.accuracy import retrieval_per_image, retrieval_rows
from mindeye.retrieval.pools import DrawnPools, Tally, drawn_tally

NAMES = ("image retrieval", "brain retrieval")


def noisy_pairs(num_images: int, noise: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(num_images, 16, generator=generator)
    return images + noise * torch.randn(num_images, 16, generator=generator), images


def intervals():
    return partial(bootstrap_interval, rng=np.random.default_rng(0), resamples=500)


def slow_hits(brain, images, pools, top: int) -> dict[str, list[list[tuple[int, bool]]]]:
    """Direction -> pool -> (row, whether its partner is among the `top` most alike)."""
    cosine = torch.nn.functional.cosine_similarity(brain[:, None], images[None], dim=2).tolist()
    found: dict[str, list[list[tuple[int, bool]]]] = {name: [] for name in NAMES}
    for pool in pools.tolist():
        of_images, of_brains = [], []
        for row in pool:
            better = sum(cosine[row][other] > cosine[row][row] for other in pool)
            of_images.append((row, better < top))
            better = sum(cosine[other][row] > cosine[row][row] for other in pool)
            of_brains.append((row, better < top))
        found[NAMES[0]].append(of_images)
        found[NAMES[1]].append(of_brains)
    return found


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize(("pool_size", "top"), [(12, 1), (12, 5), (2, 1), (40, 1)])
def test_accuracy_is_the_mean_over_the_drawn_pools(contiguous, pool_size, top):
    brain, images = noisy_pairs(40)
    drawn = DrawnPools(seed=3, contiguous=contiguous)
    rows = retrieval_rows("ours", brain, images, (pool_size,), intervals(), (top,), drawn=drawn)
    per_image = retrieval_per_image(brain, images, (pool_size,), (top,), drawn=drawn)
    found = slow_hits(brain, images, drawn.of_size(pool_size, 40), top)
    for direction in NAMES:
        name = f"{direction} top-{top} of {pool_size}"
        (row,) = (one for one in rows if one.metric == name)
        shares = [np.mean([hit for _, hit in pool]) for pool in found[direction]]
        assert len(shares) == 30
        assert row.value == pytest.approx(np.mean(shares))
        stood = [
            [hit for pool in found[direction] for at, hit in pool if at == i] for i in range(40)
        ]
        expected = [np.mean(hits) if hits else np.nan for hits in stood]
        np.testing.assert_allclose(per_image[name], expected)
        assert row.n == sum(bool(hits) for hits in stood)
        assert 0 <= row.low <= row.value <= row.high <= 1


@pytest.mark.parametrize("rows", [7, 1024])
@pytest.mark.parametrize("contiguous", [False, True])
def test_pools_counted_together_have_the_hits_of_pools_counted_one_by_one(
    monkeypatch, rows, contiguous
):
    monkeypatch.setattr(similarity, "ROWS", rows)
    brain, images = noisy_pairs(40)
    images[1], brain[1] = images[0], brain[0]  # ties
    cosines = similarity.similarity_matrix(brain, images)
    pools = DrawnPools(seed=5, contiguous=contiguous).of_size(15, 40)
    for rivals_of in (similarity.image_retrieval_rivals, similarity.brain_retrieval_rivals):
        hits, stood = np.zeros(40), np.zeros(40)
        for pool in pools:
            hits[pool] += rivals_of(cosines[pool][:, pool]) < 2
            stood[pool] += 1
        found = drawn_tally(cosines, rivals_of, pools, top=2)
        np.testing.assert_array_equal(found.hits, hits)
        np.testing.assert_array_equal(found.pools, stood)


def test_random_pools_hold_no_image_twice_and_follow_from_seed_and_size():
    pools = DrawnPools(seed=1).of_size(12, 40)
    assert pools.shape == (30, 12)
    assert all(len(set(pool)) == 12 for pool in pools.tolist())
    assert len({tuple(pool) for pool in pools.tolist()}) == 30
    np.testing.assert_array_equal(DrawnPools(seed=1).of_size(12, 40), pools)
    assert (DrawnPools(seed=2).of_size(12, 40) != pools).any()
    assert set(DrawnPools(seed=1, count=300).of_size(12, 40).ravel()) == set(range(40))


def test_contiguous_pools_are_neighbours_in_the_order_of_the_rows():
    pools = DrawnPools(seed=1, contiguous=True, count=600).of_size(12, 40)
    assert (np.diff(pools, axis=1) % 40 == 1).all()
    assert set(pools[:, 0]) == set(range(40))


@pytest.mark.parametrize("contiguous", [False, True])
def test_many_drawn_pools_come_to_the_exact_expectation(contiguous):
    """Rows stand in random order here, so that neighbours are as good as random ones."""
    brain, images = noisy_pairs(60)
    many = DrawnPools(seed=0, contiguous=contiguous, count=1000)
    exact = retrieval_per_image(brain, images, (10,))
    drawn = retrieval_per_image(brain, images, (10,), drawn=many)
    for name, values in exact.items():
        error = abs(drawn[name].mean() - values.mean())
        assert error < (0.03 if contiguous else 0.01), name


def test_ranks_do_not_depend_on_pools():
    brain, images = noisy_pairs(40)
    exact = retrieval_per_image(brain, images, (10,))
    drawn = retrieval_per_image(brain, images, (10,), drawn=DrawnPools(seed=0))
    for direction in NAMES:
        np.testing.assert_array_equal(drawn[f"{direction} rank"], exact[f"{direction} rank"])


def test_images_in_no_pool_are_not_judged_and_not_counted():
    tally = Tally(np.array([2.0, 0.0, 0.0, 1.0]), np.array([4.0, 0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(tally.per_image, [0.5, np.nan, 0.0, 1.0])
    assert len(tally.contributions) == 3
    assert tally.contributions.mean() == pytest.approx(3 / 6)


def test_the_interval_over_images_is_that_of_a_ratio():
    """Second witness: images are resampled, and hits over places counted anew each time."""
    rng = np.random.default_rng(0)
    pools = rng.integers(1, 15, size=300).astype(float)
    hits = rng.binomial(pools.astype(int), rng.beta(4, 2, size=300)).astype(float)
    _, low, high = bootstrap_interval(Tally(hits, pools).contributions, rng)
    chosen = rng.integers(300, size=(10_000, 300))
    ratios = hits[chosen].sum(1) / pools[chosen].sum(1)
    np.testing.assert_allclose([low, high], np.quantile(ratios, [0.025, 0.975]), atol=0.004)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_pool_of_all_is_exact(noise):
    brain, images = noisy_pairs(40, noise)
    exact = retrieval_rows("ours", brain, images, (40,), intervals())
    assert (
        retrieval_rows("ours", brain, images, (40,), intervals(), drawn=DrawnPools(seed=0)) == exact
    )


def test_where_every_image_is_found_the_interval_has_a_width():
    brain, images = noisy_pairs(40, 0.0)
    first, *_ = retrieval_rows("ours", brain, images, (12,), intervals(), drawn=DrawnPools(seed=0))
    assert (first.value, first.low, first.high) == proportion_interval(40, 40)


@pytest.mark.parametrize("size", [1, 41])
def test_a_pool_that_cannot_be_drawn_is_refused(size):
    with pytest.raises(ValueError, match=f"A pool of {size} cannot be drawn from 40 test images"):
        DrawnPools(seed=0).of_size(size, 40)

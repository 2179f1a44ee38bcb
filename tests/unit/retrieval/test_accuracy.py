from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn.functional import cosine_similarity

from mindeye.metrics.statistics import bootstrap_interval
from mindeye.retrieval import similarity
from mindeye.retrieval.accuracy import retrieval_per_image, retrieval_rows, top_images
from mindeye.retrieval.pools import pool_accuracy
from mindeye.retrieval.similarity import (
    brain_retrieval_rivals,
    image_retrieval_rivals,
    similarity_matrix,
    unit_rows,
)


def embeddings(rows: int, features: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, features, generator=torch.Generator().manual_seed(seed))


def intervals():
    return partial(bootstrap_interval, rng=np.random.default_rng(0), resamples=200)


def test_similarity_is_cosine_with_brains_in_rows():
    brain, images = embeddings(4, seed=1), embeddings(6, seed=2)
    similarity = similarity_matrix(brain, 3 * images)
    expected = torch.nn.functional.cosine_similarity(brain[:, None], images[None], dim=2)
    torch.testing.assert_close(similarity, expected)
    tokens = similarity_matrix(brain.unflatten(1, (4, 4)), images.unflatten(1, (4, 4)))
    torch.testing.assert_close(tokens, similarity)


@pytest.mark.parametrize("large_pages", [0, 1 << 25])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_unit_rows_are_rows_over_their_lengths_to_the_bit_and_new(monkeypatch, dtype, large_pages):
    monkeypatch.setattr(similarity, "LARGE_PAGE_VALUES", large_pages)
    given = (3 * embeddings(4)).to(dtype)
    before = given.clone()
    finer = given.to(torch.promote_types(dtype, torch.float32))
    found = unit_rows("brain", given)
    assert torch.equal(found, finer / finer.norm(dim=1, keepdim=True))
    assert found.dtype == finer.dtype
    assert torch.equal(given, before)


def test_gradients_go_through_unit_rows():
    given = embeddings(4).requires_grad_()
    unit_rows("brain", given)[:, 0].sum().backward()
    assert given.grad.abs().sum() > 0


def test_the_two_directions_count_rivals_along_rows_and_columns():
    similarity = torch.tensor([[0.5, 0.9, 0.1], [0.6, 0.8, 0.7], [0.4, 0.95, 0.3]])
    assert image_retrieval_rivals(similarity).tolist() == [1, 0, 2]
    assert brain_retrieval_rivals(similarity).tolist() == [1, 2, 1]


def test_ties_are_rivals():
    brain = embeddings(5)
    images = brain.clone()
    images[3] = images[1]
    brain[3] = brain[1]
    assert image_retrieval_rivals(similarity_matrix(brain, images)).tolist() == [
        0,
        1,
        0,
        1,
        0,
    ]


def test_the_expectation_over_pools_is_the_hypergeometric_distribution():
    rivals = np.arange(40)
    for pool_size in (2, 7, 40):
        for top in (1, 3, 5):
            expected = scipy.stats.hypergeom.cdf(top - 1, 39, rivals, pool_size - 1)
            np.testing.assert_allclose(pool_accuracy(rivals, pool_size, top), expected, atol=1e-12)


def test_the_expectation_over_pools_is_the_mean_over_drawn_pools():
    images = embeddings(30, seed=1)
    similarity = similarity_matrix(images + 1.5 * embeddings(30, seed=2), images).numpy()
    expected = pool_accuracy(image_retrieval_rivals(torch.from_numpy(similarity)), 10).mean()
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(2000):
        pool = rng.choice(30, 10, replace=False)
        block = similarity[np.ix_(pool, pool)]
        draws.append((block.argmax(1) == np.arange(10)).mean())
    assert expected == pytest.approx(np.mean(draws), abs=4 * np.std(draws) / np.sqrt(2000))


def test_in_the_pool_of_all_a_hit_is_a_rank_and_in_a_pool_of_two_a_share():
    rivals = np.array([0, 3, 9, 4, 1, 0, 2, 5, 9, 8])
    np.testing.assert_allclose(pool_accuracy(rivals, 10, 5), rivals < 5, atol=1e-12)
    np.testing.assert_allclose(pool_accuracy(rivals, 2), 1 - rivals / 9, atol=1e-12)


def test_accuracy_falls_with_the_pool_and_rises_with_top():
    rivals = np.random.default_rng(0).integers(0, 100, size=100)
    by_pool = [pool_accuracy(rivals, size).mean() for size in (2, 10, 50, 100)]
    assert by_pool == sorted(by_pool, reverse=True)
    by_top = [pool_accuracy(rivals, 50, top).mean() for top in (1, 5, 10, 50)]
    assert by_top == sorted(by_top)
    assert by_top[-1] == pytest.approx(1)


def test_equal_embeddings_are_found_and_unrelated_ones_at_chance():
    images = embeddings(200, seed=1)
    perfect = retrieval_per_image(images, images, (50,))
    assert perfect["image retrieval top-1 of 50"].mean() == 1
    assert perfect["brain retrieval rank"].max() == 1
    unrelated = retrieval_per_image(embeddings(200, seed=2), images, (50,))
    assert abs(unrelated["image retrieval top-1 of 50"].mean() - 0.02) < 0.015
    assert abs(unrelated["brain retrieval top-5 of 50"].mean() - 0.1) < 0.04


def test_exchanging_brain_and_images_exchanges_the_directions():
    brain, images = embeddings(20, seed=1), embeddings(20, seed=2)
    forward, backward = (
        retrieval_per_image(brain, images, (9,)),
        retrieval_per_image(images, brain, (9,)),
    )
    for name, values in forward.items():
        first, _, rest = name.partition(" ")
        other = {"image": "brain", "brain": "image"}[first]
        np.testing.assert_array_equal(values, backward[f"{other} {rest}"])


def test_rows_name_direction_pool_and_chance():
    images = embeddings(20, seed=1)
    rows = retrieval_rows("ours", images + embeddings(20, seed=2), images, (5, 20), intervals())
    by_name = {row.metric: row for row in rows}
    assert list(by_name) == [
        f"{direction} {what}"
        for direction in ("image retrieval", "brain retrieval")
        for what in ("top-1 of 5", "top-1 of 20", "top-5 of 20", "median rank of 20")
    ]
    top = by_name["image retrieval top-5 of 20"]
    assert (top.chance, top.n, top.better) == (0.25, 20, "higher")
    assert top.low <= top.value <= top.high
    rank = by_name["brain retrieval median rank of 20"]
    assert (rank.chance, rank.better) == (10.5, "lower")
    assert 1 <= rank.low <= rank.value <= rank.high <= 20


def test_published_labels_stand_beside_the_right_names_and_change_no_number():
    brain, images = embeddings(20, seed=1) + embeddings(20, seed=2), embeddings(20, seed=1)
    plain = retrieval_rows("ours", brain, images, (5,), intervals())
    labelled = retrieval_rows("ours", brain, images, (5,), intervals(), published_labels=True)
    assert [replace(row, metric="") for row in plain] == [
        replace(row, metric="") for row in labelled
    ]
    for without, row in zip(plain, labelled, strict=True):
        published = "Brain" if without.metric.startswith("image retrieval") else "Image"
        assert row.metric == f'{without.metric} (published as "{published}")'


def test_top_images_are_the_best_first_from_a_gallery_of_any_size():
    gallery = embeddings(30, seed=1)
    brain = gallery[[4, 17]] + 0.05 * embeddings(2, seed=2)
    found = top_images(brain, gallery, 5)
    assert found.shape == (2, 5)
    assert found[:, 0].tolist() == [4, 17]
    similarity = similarity_matrix(brain, gallery).gather(1, found)
    assert (similarity.diff(dim=1) <= 0).all()


@pytest.mark.parametrize(
    ("brain", "images", "error", "text"),
    [
        (embeddings(3), embeddings(4), ValueError, "3 brain and 4 image embeddings"),
        (embeddings(1), embeddings(1), ValueError, "at least two pairs"),
        (
            embeddings(4, 5),
            embeddings(4, 6),
            ValueError,
            r"shape \(5,\) but image embeddings",
        ),
        (
            embeddings(4) * torch.nan,
            embeddings(4),
            FloatingPointError,
            "4 of 4 brain embeddings",
        ),
        (
            embeddings(4),
            torch.zeros(4, 16),
            ValueError,
            "4 of 4 image embeddings have length zero",
        ),
    ],
)
def test_what_cannot_be_retrieved_is_refused(brain, images, error, text):
    with pytest.raises(error, match=text):
        retrieval_per_image(brain, images, (2,))


def test_pools_and_galleries_have_their_limits():
    with pytest.raises(ValueError, match="pool of 300 cannot be drawn from 10 test images"):
        pool_accuracy(np.zeros(10, dtype=int), 300)
    with pytest.raises(ValueError, match="6 images asked for from 5"):
        top_images(embeddings(2), embeddings(5), 6)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e15])
def test_similarity_does_not_depend_on_length(scale):
    brain, images = embeddings(5, seed=1), embeddings(5, seed=2)
    expected = [[float(cosine_similarity(one, other, dim=0)) for other in images] for one in brain]
    found = similarity_matrix(brain * scale, images / scale)
    np.testing.assert_allclose(found, expected, atol=1e-6)

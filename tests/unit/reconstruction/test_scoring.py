from itertools import permutations

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity
from torchvision.transforms.functional import resize

from mindeye.metrics.pixels import NATIVE, ResizeChain
from mindeye.quirks import Quirks
from mindeye.reconstruction.scoring import (
    METRICS,
    PIXCORR,
    SSIM,
    TWO_WAY,
    chain_of,
    derangement,
    nearest_training_images,
    permuted_row,
    picture_scores,
    pooled,
    score_rows,
)
from mindeye.targets.clip import load_clip


@pytest.fixture(scope="module")
def clip(networks):
    return load_clip(networks.clip)


@pytest.fixture
def shown() -> np.ndarray:
    patches = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    return patches.repeat(8, axis=1).repeat(8, axis=2)


def test_the_shown_pictures_themselves_are_perfect(shown, clip):
    scores = picture_scores(shown, shown, clip)
    assert scores.keys() == METRICS.keys()
    for values in scores.values():
        np.testing.assert_allclose(values, np.ones(6), atol=1e-4)


def test_shuffled_pictures_are_worse_in_every_metric(shown, clip):
    shuffled = picture_scores(shown[[1, 2, 3, 4, 5, 0]], shown, clip)
    assert abs(shuffled[PIXCORR].mean()) < 0.4
    assert shuffled[SSIM].mean() < 0.6
    assert shuffled[TWO_WAY].mean() < 0.7


def test_a_blank_picture_scores_no_correlation_and_is_not_left_out(shown, clip):
    drawn = shown.copy()
    drawn[2] = 128
    scores = picture_scores(drawn, shown, clip)
    assert scores[PIXCORR][2] == 0
    assert all(np.isfinite(values).all() and len(values) == 6 for values in scores.values())
    np.testing.assert_allclose(np.delete(scores[PIXCORR], 2), np.ones(5), atol=1e-4)
    np.testing.assert_array_equal(drawn[2], 128)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("resized", [True, False])
@pytest.mark.parametrize("by_columns", [True, False])
def test_pixel_metrics_are_those_of_the_protocol(shown, clip, antialias, resized, by_columns):
    """Second witness: torchvision resizes, NumPy and scikit-image compare."""
    shown, drawn = shown[:2], (shown[:2] * 0.5 + shown[2:4] * 0.5).astype(np.uint8)
    shown = shown.repeat(9, axis=1).repeat(9, axis=2) if resized else shown  # 288 px shrink
    quirks = Quirks(resized_through_256=resized, aliased_resizing=not antialias).resolved()
    scores = picture_scores(drawn, shown, clip, chain=chain_of(quirks), ssim_by_columns=by_columns)
    for index in range(2):
        first, second = (
            torch.from_numpy(one[index]).permute(2, 0, 1).double() / 255 for one in (drawn, shown)
        )
        for side in (256, 425) if resized else ():
            first, second = (
                resize(one, [side] * 2, antialias=antialias) for one in (first, second)
            )
        expected = np.corrcoef(first.flatten(), second.flatten())[0, 1]
        assert scores[PIXCORR][index] == pytest.approx(expected, abs=1e-5)
        expected = structural_similarity(
            *(rgb2gray(one.numpy(), channel_axis=0) for one in (first, second)),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1 if by_columns else None,
        )
        assert scores[SSIM][index] == pytest.approx(expected, abs=1e-5)


def test_a_chain_changes_pixel_metrics_only(shown, clip):
    drawn = shown[[1, 2, 3, 4, 5, 0]]
    native = picture_scores(drawn, shown, clip)
    chained = picture_scores(drawn, shown, clip, chain=ResizeChain(sides=(16,), antialias=False))
    np.testing.assert_array_equal(native[TWO_WAY], chained[TWO_WAY])
    assert np.abs(native[SSIM] - chained[SSIM]).min() > 1e-3


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        (Quirks(), "native size"),
        (Quirks(aliased_resizing=True), "native size"),
        (Quirks(resized_through_256=True), "256 then 425 px, bilinear, antialias on"),
        (Quirks(compat="mindeye1"), "256 then 425 px, bilinear, antialias off"),
        (Quirks(compat="mindeye2"), "256 then 425 px, bilinear, antialias off"),
        (Quirks(compat="mindeye2", resized_through_256=False), "native size"),
    ],
)
def test_quirks_choose_the_chain(quirks, expected):
    assert chain_of(quirks.resolved()).describe() == expected
    assert chain_of(Quirks().resolved()) is NATIVE


def test_the_pooled_embedding_is_the_cls_token(shown, clip):
    images = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(pooled(images, clip), clip.tokens(images)[:, 0])


def test_rows_tell_mean_interval_chance_and_direction(shown, clip):
    values = np.linspace(0, 1, 50)
    scores = {PIXCORR: values, TWO_WAY: values}
    rows = score_rows("ours", scores, np.random.default_rng(0))
    assert [(row.metric, row.chance, row.better, row.n) for row in rows] == [
        (PIXCORR, None, "higher", 50),
        (TWO_WAY, 0.5, "higher", 50),
    ]
    for row in rows:
        assert row.value == pytest.approx(0.5)
        assert row.low < 0.5 < row.high


def test_the_nearest_training_image_has_the_largest_dot_product():
    training = torch.eye(4)
    brain = torch.tensor([[0.1, 0.2, 0.9, 0.0], [1.0, 0.5, 0.0, 0.0]])
    assert nearest_training_images(brain, training).tolist() == [2, 0]


@pytest.mark.parametrize("num_images", [2, 3, 50])
def test_nobody_keeps_its_place_in_a_derangement(num_images):
    for seed in range(20):
        partner = derangement(num_images, np.random.default_rng(seed))
        assert sorted(partner) == list(range(num_images))
        assert (partner != np.arange(num_images)).all()


def test_the_interval_of_chance_is_that_of_all_orders(clip):
    rng = np.random.default_rng(3)
    shown, drawn = (
        rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
        for _ in range(2)
    )
    row = permuted_row("dealt", drawn, shown, clip, np.random.default_rng(0))
    # Second witness: the metric itself on the pictures in each of the 120 orders.
    scores = [
        picture_scores(drawn[list(order)], shown, clip)[TWO_WAY].mean()
        for order in permutations(range(5))
    ]
    assert row.value == pytest.approx(0.5, abs=0.02)
    assert np.mean(scores) == pytest.approx(0.5, abs=1e-9)
    np.testing.assert_allclose([row.low, row.high], np.quantile(scores, [0.025, 0.975]), atol=0.051)


def test_pictures_that_say_something_lie_above_their_interval_of_chance(shown, clip):
    row = permuted_row("dealt", shown, shown, clip, np.random.default_rng(0))
    assert (row.low, row.high) != (row.value, row.value)
    assert row.high < 1
    assert (row.metric, row.n, row.chance) == (TWO_WAY, 6, 0.5)

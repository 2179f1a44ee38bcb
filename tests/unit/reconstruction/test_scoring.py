from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity
from torchvision.transforms.functional import resize

from mindeye.metrics.pixels import ResizeChain, pixel_correlation
from mindeye.metrics.pixels import structural_similarity as structural_similarity_of_ours
from mindeye.metrics.protocols import NATIVE_PROTOCOL, protocol_of
from mindeye.pictures import as_images
from mindeye.quirks import Quirks
from mindeye.reconstruction.picture_source import BLOCK
from mindeye.reconstruction.scoring import (
    PIXCORR,
    SSIM,
    TWO_WAY,
    derangement,
    nearest_training_images,
    permuted_row,
    picture_scores,
    score_rows,
)
from mindeye.targets.clip import load_clip
from mindeye.targets.metric_networks.network import own_clip


@pytest.fixture(scope="module")
def clip(networks):
    return own_clip(load_clip(networks.clip))


@pytest.fixture
def shown() -> np.ndarray:
    patches = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    return patches.repeat(8, axis=1).repeat(8, axis=2)


def test_the_shown_pictures_themselves_are_perfect(shown, clip):
    scores = picture_scores(shown, shown, clip)
    assert list(scores) == [PIXCORR, SSIM, TWO_WAY]
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
    quirks = Quirks(
        resized_through_256=resized, aliased_resizing=not antialias, ssim_by_columns=by_columns
    )
    scores = picture_scores(drawn, shown, clip, protocol_of(quirks.resolved()))
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
    chain = ResizeChain(sides=(16,), antialias=False)
    chained = picture_scores(drawn, shown, clip, replace(NATIVE_PROTOCOL, pixels=chain))
    np.testing.assert_array_equal(native[TWO_WAY], chained[TWO_WAY])
    assert np.abs(native[SSIM] - chained[SSIM]).min() > 1e-3


def test_pictures_in_blocks_and_as_floats_score_what_pictures_at_once_score(shown, clip):
    rng = np.random.default_rng(1)
    many = rng.integers(0, 256, (2 * BLOCK + 3, 16, 16, 3), dtype=np.uint8)
    drawn = (many // 2 + rng.integers(0, 128, many.shape, dtype=np.uint8)).astype(np.uint8)
    scores = picture_scores(drawn, many, {})
    # Second witness: the metrics themselves on all pictures at once.
    expected = pixel_correlation(as_images(drawn), as_images(many))
    np.testing.assert_array_equal(scores[PIXCORR], expected)
    expected = structural_similarity_of_ours(as_images(drawn), as_images(many))
    np.testing.assert_array_equal(scores[SSIM], expected)
    floats = picture_scores(drawn.astype(np.float32) / 255, many, {})
    np.testing.assert_array_equal(floats[PIXCORR], scores[PIXCORR])


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda one: one[:3], ValueError, "3 reconstructions but 40 seen images"),
        (lambda one: one[:, :8], ValueError, r"shape \(8, 16, 3\) but seen images \(16, 16, 3\)"),
        (lambda one: one * 255, ValueError, "values from 0 to 255, but"),
        (lambda one: with_nan(one, 33), FloatingPointError, r"NaN or infinity.*\[33\]"),
    ],
)
def test_pictures_that_cannot_be_scored_are_refused_by_their_position(change, error, text):
    shown = np.random.default_rng(0).random((40, 16, 16, 3), dtype=np.float32)
    shown[0, 0, 0, 0], shown[0, 0, 0, 1] = 0, 1
    with pytest.raises(error, match=text):
        picture_scores(change(shown), shown, {})


def with_nan(pictures: np.ndarray, place: int) -> np.ndarray:
    changed = pictures.copy()
    changed[place, 0, 0, 0] = np.nan
    return changed


def test_a_blank_shown_picture_is_refused_by_its_position():
    shown = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    shown[35] = 7
    with pytest.raises(ValueError, match=r"1 of 40 seen images have no variance.*\[35\]"):
        picture_scores(shown, shown, {})


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
    row = permuted_row("dealt", drawn, shown, clip["clip"], np.random.default_rng(0))
    # Second witness: the metric itself on the pictures in each of the 120 orders.
    scores = [
        picture_scores(drawn[list(order)], shown, clip)[TWO_WAY].mean()
        for order in permutations(range(5))
    ]
    assert row.value == pytest.approx(0.5, abs=0.02)
    assert np.mean(scores) == pytest.approx(0.5, abs=1e-9)
    np.testing.assert_allclose([row.low, row.high], np.quantile(scores, [0.025, 0.975]), atol=0.051)


def test_pictures_that_say_something_lie_above_their_interval_of_chance(shown, clip):
    row = permuted_row("dealt", shown, shown, clip["clip"], np.random.default_rng(0))
    assert (row.low, row.high) != (row.value, row.value)
    assert row.high < 1
    assert (row.metric, row.n, row.chance) == (TWO_WAY, 6, 0.5)


def test_scores_do_not_depend_on_the_number_of_cores():
    rng = np.random.default_rng(2)
    shown, drawn = (rng.integers(0, 256, (16 * BLOCK, 12, 12, 3), dtype=np.uint8) for _ in range(2))
    before, scores = torch.get_num_threads(), []
    try:
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            scores.append(picture_scores(drawn, shown, {}))
    finally:
        torch.set_num_threads(before)
    for metric in (PIXCORR, SSIM):
        np.testing.assert_array_equal(scores[0][metric], scores[1][metric])


def test_pictures_on_disk_score_as_in_memory_and_their_pages_are_given_back(tmp_path):
    rng = np.random.default_rng(3)
    shown, drawn = (rng.integers(0, 256, (20, 64, 64, 3), dtype=np.uint8) for _ in range(2))
    np.save(tmp_path / "drawn.npy", drawn)
    mapped = np.load(tmp_path / "drawn.npy", mmap_mode="r")
    expected = picture_scores(drawn, shown, {})
    found = picture_scores(mapped, shown, {})
    for metric in (PIXCORR, SSIM):
        np.testing.assert_array_equal(found[metric], expected[metric])
    assert resident_kb(tmp_path / "drawn.npy") < drawn.nbytes / 1024 / 2
    assert mapped.sum() == drawn.sum()
    assert resident_kb(tmp_path / "drawn.npy") > drawn.nbytes / 1024 / 2


def resident_kb(path) -> int:
    """What this process holds of a mapped file, as the system counts it."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    places = [place for place, line in enumerate(lines) if line.endswith(str(path))]
    return sum(
        int(line.split()[1])
        for place in places
        for line in lines[place + 1 : place + 8]
        if line.startswith("Rss:")
    )

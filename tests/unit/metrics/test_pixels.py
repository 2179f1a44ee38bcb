import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity as skimage_similarity

from mindeye.metrics.pixels import (
    NATIVE,
    PUBLISHED,
    ResizeChain,
    pixel_correlation,
    resize,
    structural_similarity,
)
from mindeye.metrics.similarity_map import grey


def noise(images: int, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(images, 3, height, width, generator=torch.Generator().manual_seed(seed))


def smooth(images: int, side: int, seed: int = 0) -> torch.Tensor:
    return resize(noise(images, 5, 5, seed), side, antialias=False)


def test_a_picture_is_perfectly_like_itself():
    seen = noise(3)
    torch.testing.assert_close(pixel_correlation(seen, seen), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(structural_similarity(seen, seen), torch.ones(3).double())


def test_pixel_correlation_is_numpys():
    reconstructed, seen = noise(4, seed=1), noise(4, seed=2)
    expected = [
        np.corrcoef(a.flatten().double(), b.flatten().double())[0, 1]
        for a, b in zip(reconstructed, seen, strict=True)
    ]
    np.testing.assert_allclose(pixel_correlation(reconstructed, seen), expected, atol=1e-7)


def test_pixel_correlation_ignores_contrast_and_brightness_and_takes_feature_rows():
    seen = noise(3).flatten(1)
    torch.testing.assert_close(
        pixel_correlation(seen * 0.3 + 0.2, seen),
        torch.ones(3).double(),
        atol=1e-6,
        rtol=0,
    )
    torch.testing.assert_close(
        pixel_correlation(1 - seen, seen), -torch.ones(3).double(), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(("height", "width"), [(11, 11), (74, 75), (139, 40)])
@pytest.mark.parametrize("make", ["noise", "smooth"])
def test_structural_similarity_is_scikit_images(height, width, make):
    seen = noise(2, height, width) if make == "noise" else smooth(2, 140)[..., :height, :width]
    reconstructed = (seen + 0.2 * (noise(2, height, width, 5) - 0.5)).clamp(0, 1)
    expected = [
        skimage_similarity(
            rgb2gray(a.double().numpy(), channel_axis=0),
            rgb2gray(b.double().numpy(), channel_axis=0),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
        )
        for a, b in zip(reconstructed, seen, strict=True)
    ]
    values = structural_similarity(reconstructed, seen)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(11, 11), (74, 75), (139, 40)])
@pytest.mark.parametrize("make", ["noise", "smooth"])
def test_structural_similarity_by_columns_is_scikit_images_with_columns_as_channels(
    height, width, make
):
    seen = noise(2, height, width) if make == "noise" else smooth(2, 140)[..., :height, :width]
    reconstructed = (seen + 0.2 * (noise(2, height, width, 5) - 0.5)).clamp(0, 1)
    expected = [
        skimage_similarity(
            rgb2gray(a.double().numpy(), channel_axis=0),
            rgb2gray(b.double().numpy(), channel_axis=0),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
        for a, b in zip(reconstructed, seen, strict=True)
    ]
    values = structural_similarity(reconstructed, seen, by_columns=True)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)
    whole = structural_similarity(reconstructed, seen)
    assert (values - whole).abs().min() > 1e-4


def test_grey_is_scikit_images():
    image = noise(1)[0]
    np.testing.assert_allclose(grey(image), rgb2gray(image.numpy(), channel_axis=0), atol=1e-6)


def test_metrics_of_an_image_do_not_depend_on_its_neighbours_and_leave_arguments_alone():
    reconstructed, seen = noise(4, seed=1), noise(4, seed=2)
    before = reconstructed.clone(), seen.clone()
    for metric in (pixel_correlation, structural_similarity):
        together = metric(reconstructed, seen, ResizeChain(sides=(20,)))
        alone = metric(reconstructed[2:3], seen[2:3], ResizeChain(sides=(20,)))
        assert together[2] == alone[0]
    assert torch.equal(before[0], reconstructed)
    assert torch.equal(before[1], seen)


def test_antialiasing_matters_when_a_picture_shrinks_and_a_chain_says_what_it_does():
    image = noise(1, 64, 64)
    with_it, without = (resize(image, 16, antialias=setting) for setting in (True, False))
    assert with_it.shape == (1, 3, 16, 16)
    assert with_it.var() < 0.5 * without.var()
    assert PUBLISHED.describe() == "256 then 425 px, bilinear, antialias off"
    assert NATIVE.describe() == "native size"


def test_a_chain_compares_pictures_of_different_sizes():
    seen = smooth(2, 64)
    reconstructed = resize(seen, 48, antialias=True)
    assert pixel_correlation(reconstructed, seen, ResizeChain(sides=(32,))).min() > 0.99


def test_half_precision_pictures_are_compared_in_float32():
    seen = noise(2).half()
    torch.testing.assert_close(pixel_correlation(seen, seen), torch.ones(2).double())


def with_nan() -> torch.Tensor:
    images = noise(3)
    images[1, 0, 0, 0] = torch.nan
    return images


@pytest.mark.parametrize(
    ("reconstructed", "seen", "error", "text"),
    [
        (noise(2), noise(3), ValueError, "2 reconstructions but 3 seen images"),
        (
            noise(2),
            noise(2, 16, 16),
            ValueError,
            r"shape \(3, 32, 32\) but seen images",
        ),
        (noise(0), noise(0), ValueError, "nothing to compare"),
        (
            with_nan(),
            noise(3),
            FloatingPointError,
            r"1 of 3 reconstructions hold NaN .* \[1\]",
        ),
        (noise(2) * 255, noise(2), ValueError, "Divide by 255"),
    ],
)
def test_what_cannot_be_compared_is_refused(reconstructed, seen, error, text):
    for metric in (pixel_correlation, structural_similarity):
        with pytest.raises(error, match=text):
            metric(reconstructed, seen)


def test_a_blank_picture_has_no_correlation():
    seen = noise(3)
    reconstructed = seen.clone()
    reconstructed[2] = 0.1
    with pytest.raises(ValueError, match=r"1 of 3 reconstructions have no variance.*\[2\]"):
        pixel_correlation(reconstructed, seen)


def test_structural_similarity_refuses_pictures_under_its_window():
    with pytest.raises(ValueError, match=r"\(10, 32\) px are smaller than the 11 px window"):
        structural_similarity(noise(1, 10), noise(1, 10))


def test_a_chain_refuses_feature_rows():
    rows = noise(2).flatten(1)
    with pytest.raises(ValueError, match="needs pictures"):
        pixel_correlation(rows, rows, PUBLISHED)

import numpy as np
import pytest
import scipy.linalg
import torch

from mindeye.metrics.frechet import FEWEST_IMAGES, frechet, frechet_distance


def sample(images: int, features: int = 8, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=torch.Generator().manual_seed(99))
    return torch.randn(images, features, generator=generator) @ mixing + mean


@pytest.mark.parametrize(("images", "features"), [(300, 8), (10, 20)])
def test_the_distance_is_that_of_the_root_of_the_product_of_covariances(images, features):
    first, second = sample(images, features), 1.5 * sample(images, features, 1, 0.3)
    means = [one.double().mean(0).numpy() for one in (first, second)]
    covariances = [np.cov(one.double().numpy(), rowvar=False) for one in (first, second)]
    if images > features:
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
        common = np.trace(root)
    else:  # singular: the roots of eigenvalues, which sqrtm cannot take
        values = np.linalg.eigvals(covariances[0] @ covariances[1]).real
        common = np.sqrt(values.clip(0)).sum()
    spread = np.trace(covariances[0] + covariances[1]) - 2 * common
    expected = ((means[0] - means[1]) ** 2).sum() + spread
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-5)


def test_a_set_has_no_distance_from_itself_in_any_order_and_a_shift_is_its_square():
    first = sample(50)
    assert frechet_distance(first, first.flip(0)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(first, first + 2) == pytest.approx(8 * 4, rel=1e-6)


def test_more_images_bring_it_down_and_the_line_removes_most_of_that_bias():
    found = {
        count: frechet(sample(count, 30), sample(count, 30, seed=1), np.random.default_rng(0))
        for count in (500, 2000)
    }
    # Both sets are of one kind: the truth is zero.
    assert found[500].value > 2 * found[2000].value > 0
    for one in found.values():
        assert abs(one.extrapolated) < 0.4 * one.value
    assert found[500].num_images == 500
    text = found[500].describe()
    assert "at 500 images in either set (biased upwards" in text
    assert "not comparable with FIDs of the original weights" in text


def test_few_images_and_other_counts_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="of 499 images is mostly bias"):
        frechet(sample(FEWEST_IMAGES - 1), sample(FEWEST_IMAGES - 1), rng)
    with pytest.raises(ValueError, match="600 reconstructions but 500 seen images"):
        frechet(sample(600), sample(500), rng)
    bad = sample(500)
    bad[3, 0] = torch.nan
    with pytest.raises(FloatingPointError, match=r"1 of 500 reconstructions .*\[3\]"):
        frechet(bad, sample(500), rng)

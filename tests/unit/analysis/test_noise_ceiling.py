import numpy as np
import pytest

from mindeye.analysis.noise_ceiling import (
    ceiling_groups,
    encoding_correlation,
    median_in,
    noise_ceiling,
    reached,
)
from mindeye.analysis.voxel_shares import Material
from mindeye.training.ridge_baseline import fitted_ridge


def test_the_ceiling_is_nsds_formula_for_equal_and_for_mixed_repeats():
    ncsnr = np.array([0.0, 0.5, 1.15, np.nan])
    expected = ncsnr**2 / (ncsnr**2 + 1 / 3)
    np.testing.assert_allclose(noise_ceiling(ncsnr, 3), expected)
    repeats = np.array([3, 3, 2, 1])  # NSD: (A/3 + B/2 + C/1) / (A + B + C)
    mixed = ncsnr**2 / (ncsnr**2 + (2 / 3 + 1 / 2 + 1) / 4)
    np.testing.assert_allclose(noise_ceiling(ncsnr, repeats), mixed)


def test_the_ceiling_is_the_share_of_variance_that_repeats():
    """Against simulated trials: the squared correlation of a mean of three with the truth."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=200_000)
    trials = 0.6 * truth + rng.normal(size=(3, 200_000))
    squared = np.corrcoef(trials.mean(0), truth)[0, 1] ** 2
    assert noise_ceiling(np.array([0.6]), 3)[0] == pytest.approx(squared, abs=0.005)


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 3))
    scan = features @ rng.normal(size=(3, 11)) * np.linspace(0, 2, 11)
    scan = scan + rng.normal(size=scan.shape)
    return Material(scan[:300], features[:300], scan[300:], features[300:])


def test_groups_are_equally_large_and_ordered_and_leave_out_the_unknown(material):
    ceiling = np.linspace(0, 0.8, 11)
    ceiling[4] = np.nan
    ticks = []
    groups = ceiling_groups(material, ceiling, 3, lambda: ticks.append(1))
    assert [group.num_voxels for group in groups] == [3, 3, 3]
    # Ten are known; the lowest one is left out.
    expected = [np.median(ceiling[list(rows)]) for rows in ((1, 2, 3), (5, 6, 7), (8, 9, 10))]
    np.testing.assert_allclose([group.median for group in groups], expected)
    means = [group.wins.mean() for group in groups]
    assert means[-1] > means[0] + 0.1
    assert len(ticks) == 3


def test_encoding_correlation_is_pearsons_voxel_by_voxel(material):
    predicted = fitted_ridge(material.wanted, material.scan).predict(material.truth)
    slow = [np.corrcoef(predicted[:, v], material.unseen[:, v])[0, 1] for v in range(11)]
    np.testing.assert_allclose(encoding_correlation(material), slow, atol=1e-10)
    assert slow[0] < 0.2 < 0.9 < slow[-1]


def test_what_is_reached_keeps_its_sign_and_needs_a_ceiling():
    correlation = np.array([0.5, -0.5, 0.5, 0.9])
    ceiling = np.array([0.5, 0.25, 0.05, 0.6])
    found = reached(correlation, ceiling)
    np.testing.assert_allclose(found[[0, 1, 3]], [0.5, -1.0, 1.35])
    assert np.isnan(found[2])


def test_a_median_is_of_the_known_voxels_of_a_region():
    values = np.array([1.0, np.nan, 3.0, 5.0, 100.0])
    inside = np.array([True, True, True, True, False])
    assert median_in(values, inside) == (3.0, 3)
    value, known = median_in(values, np.array([False, True, False, False, False]))
    assert np.isnan(value)
    assert known == 0

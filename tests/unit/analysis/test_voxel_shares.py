"""Shares of variance against sklearn's R2 and a brain whose regions are known."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from mindeye.analysis.voxel_shares import Material, explained, region_shares
from mindeye.training.ridge_baseline import fitted_ridge

TRAIN, TEST = 400, 300
ALONE, TWIN, OTHER, NOISE = (np.arange(20) // 5 == group for group in range(4))


@pytest.fixture(scope="module")
def material():
    """Half of the features show in the first region only, half in two, none in the last."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(TRAIN + TEST, 8))
    scan = 0.1 * rng.normal(size=(TRAIN + TEST, 20))
    scan[:, ALONE] += features[:, :4] @ rng.normal(size=(4, 5))
    for region in (TWIN, OTHER):
        scan[:, region] += features[:, 4:] @ rng.normal(size=(4, 5))
    return Material(scan[:TRAIN], features[:TRAIN], scan[TRAIN:], features[TRAIN:])


@pytest.fixture(scope="module")
def shares(material):
    regions = {"alone": ALONE, "twin": TWIN, "other": OTHER, "noise": NOISE}
    whole, found = region_shares(material, regions)
    return whole, {one.roi: one for one in found}


def test_the_mean_of_explained_is_the_r2_of_the_definition(material):
    predicted = fitted_ridge(material.scan, material.wanted).predict(material.unseen)
    missed = ((material.truth - predicted) ** 2).sum()
    spread = ((material.truth - material.wanted.mean(0)) ** 2).sum()
    values = explained(material, predicted)
    assert values.mean() == pytest.approx(1 - missed / spread, abs=1e-12)
    sklearns = r2_score(material.truth, predicted, multioutput="variance_weighted")
    # sklearn's R2 is against the test mean, which differs from the training mean by chance.
    assert values.mean() == pytest.approx(sklearns, abs=0.01)


def test_an_interval_over_explained_is_that_of_the_ratio(material):
    """The linearised values spread as the ratio does over resampled images."""
    predicted = fitted_ridge(material.scan[:, NOISE], material.wanted).predict(
        material.unseen[:, NOISE]
    )
    predicted = predicted + 0.7 * material.truth
    missed = ((material.truth - predicted) ** 2).sum(1)
    spread = ((material.truth - material.wanted.mean(0)) ** 2).sum(1)
    rows = np.random.default_rng(1).integers(TEST, size=(4000, TEST))
    ratios = 1 - missed[rows].sum(1) / spread[rows].sum(1)
    error = explained(material, predicted).std(ddof=1) / np.sqrt(TEST)
    assert error == pytest.approx(ratios.std(), rel=0.05)


def test_only_what_no_other_region_tells_is_unique(shares):
    whole, found = shares
    assert whole.mean() > 0.97
    assert found["alone"].unique.mean() == pytest.approx(0.49, abs=0.04)
    for roi in ("twin", "other"):  # Each tells what the other tells.
        assert found[roi].total.mean() == pytest.approx(0.49, abs=0.04)
        assert found[roi].unique.mean() < 0.03
        assert found[roi].shared.mean() > 0.44
    assert abs(found["noise"].total.mean()) < 0.02
    assert abs(found["noise"].unique.mean()) < 0.005


def test_identification_is_lost_with_the_region_that_alone_tells(shares):
    _, found = shares
    assert found["alone"].lost.mean() > 0.03
    assert abs(found["noise"].lost.mean()) < 0.01
    assert found["twin"].num_voxels == 5


def test_a_region_of_all_voxels_leaves_chance(material):
    whole, (share,) = region_shares(material, {"all": np.ones(20, dtype=bool)})
    np.testing.assert_allclose(share.unique, whole, atol=1e-12)
    np.testing.assert_allclose(share.total, whole, atol=1e-12)
    assert share.lost.mean() > 0.4


def test_progress_counts_every_fit(material):
    calls = []
    region_shares(material, {"alone": ALONE, "noise": NOISE}, lambda: calls.append(1))
    assert len(calls) == 5
